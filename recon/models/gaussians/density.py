"""When Gaussians are added, moved and removed, for either strategy."""

from __future__ import annotations

import torch
from torch import Tensor

from recon.models.gaussians.adaptive import refine_adaptive, reset_opacities
from recon.models.gaussians.config import AdaptiveDensity, Mcmc
from recon.models.gaussians.mcmc import refine_mcmc
from recon.models.gaussians.schedule import budget_at, refinements_due
from recon.models.gaussians.store import GaussianStore
from recon.ops.mcmc import add_noise

__all__ = ["Density"]

_SORT_EVERY = 8
"""Refinements between two sorts along the Z curve. Sorting 100k Gaussians takes about as long as five steps."""
_LEAST_STEPS = 10
"""Steps between two refinements at least, so that each follows upon several photos."""
_GROWTH_A_STEP = 60
"""Gaussians that a step may add on average. A short run cannot teach many, and fewer leave time for more steps."""


class Density:
    """Keeps count of the refinements of one model and runs those that are due."""

    def __init__(self, config: Mcmc | AdaptiveDensity, *, first: int, most: int, extent: float, seed: int) -> None:
        self.config = config
        self.refined = 0
        self._last_step = 0
        self._first, self._most = first, max(most, first)
        self._extent, self._seed = extent, seed

    @property
    def wants_statistics(self) -> bool:
        return isinstance(self.config, AdaptiveDensity)

    def pulls(self, count: int) -> tuple[float, float]:
        """Gradient of the regularisation in each opacity and in each scale (1 / world units)."""
        if not isinstance(self.config, Mcmc):
            return 0.0, 0.0
        share = 1.0 / max(count, 1)
        return self.config.opacity_pressure * share, self.config.scale_pressure * share / self._extent

    def lower(self, most: int) -> None:
        """From now on there are at most so many; those there are stay."""
        self._most = min(self._most, most)

    def after_step(
        self, store: GaussianStore, *, step: int, progress: float, position_rate: float, generator: torch.Generator
    ) -> None:
        """Shake (MCMC), and refine when it is time. `position_rate` in world units a step."""
        if isinstance(self.config, Mcmc) and self.config.noise > 0:
            scale = self.config.noise * position_rate / self._extent**2  # so that scaling the scene changes nothing
            add_noise(store.blocks, scale=scale, seed=self._seed, step=step)
        config = self.config
        due = refinements_due(progress, start=config.start, stop=config.stop, refinements=config.refinements)
        if due <= self.refined or step - self._last_step < _LEAST_STEPS:
            return
        sort = due // _SORT_EVERY > self.refined // _SORT_EVERY
        self._refine(store, due, step, progress, generator)
        if sort:
            store.sort()
        self.refined, self._last_step = due, step

    def _refine(self, store: GaussianStore, due: int, step: int, progress: float, generator: torch.Generator) -> None:
        config = self.config
        if isinstance(config, Mcmc):
            wanted = budget_at(progress, first=self._first, most=self._most, start=config.start, full=config.full)
            refine_mcmc(store, config, wanted=min(wanted, self._first + _GROWTH_A_STEP * step), generator=generator)
            return
        resets_before, resets = self._resets(self.refined), self._resets(due)
        refine_adaptive(
            store,
            config,
            extent=self._extent,
            most=self._most,
            prune_large=resets_before > 0,
            generator=generator,
        )
        if resets > resets_before:
            reset_opacities(store, ceiling=2 * config.prune_below)

    def _resets(self, refined: int) -> int:
        """Opacity resets that belong to this many refinements: spread evenly, none with the last refinement."""
        assert isinstance(self.config, AdaptiveDensity)
        return min(refined * (self.config.resets + 1) // self.config.refinements, self.config.resets)

    def state_dict(self) -> dict[str, Tensor]:
        return {"counters": torch.tensor([self.refined, self._last_step, self._first, self._most])}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.refined, self._last_step, self._first, self._most = (int(value) for value in state["counters"])
