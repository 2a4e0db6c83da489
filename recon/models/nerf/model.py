"""A hash-grid radiance field that learns from single pixels of all photos."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.models.nerf.config import NerfConfig
from recon.models.nerf.field import Field
from recon.models.nerf.guidance import Sightings, depth_loss
from recon.models.nerf.looking import Looking, Path, drawn_in
from recon.models.nerf.occupancy import Occupancy
from recon.models.rays.bounds import Bounds
from recon.models.rays.cast import Rays, rays_of, views_of
from recon.models.rays.corrections import Corrections
from recon.models.rays.exposure import Gains
from recon.models.rays.image import Seen, render_rays
from recon.models.rays.learned import all_finite, rate_at
from recon.models.rays.target import Target, colour_loss, entropy
from recon.ops.composite import Composited, distortion
from recon.ops.march import Samples
from recon.types import Batch, Cameras, Render, Scene

__all__ = ["NerfModel"]

_RENDERED = 1 << 17
"""Samples looked at together where nothing is learnt."""
_PASSED = 4
"""Samples that are only asked for their density, as a multiple of those learnt from, at most."""
_LOOK_AROUND = 8
"""Every so manieth step looks into cells, too, in which nothing was seen lately."""
_FEWEST_RAYS, _MOST_RAYS = 64, 1 << 15
_HELD_UNTIL = 0.5
"""Share of training after which nothing is held to known depth any more; it weighs less and less until then."""
_HAZE = 4
"""Pictures of a field that is haze everywhere take steps so many times as wide: nothing is there to be missed."""


class NerfModel:
    """A `Model` (recon.types). `pace` says how far training is; without it, `steps` does."""

    sampling: Literal["images", "pixels"] = "pixels"

    def __init__(
        self,
        config: NerfConfig,
        scene: Scene,
        bounds: Bounds,
        *,
        steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self._scene, self._seed = scene, seed
        self._generator = torch.Generator().manual_seed(seed)
        self._build(bounds)
        self.gains = Gains(len(scene), scene.train, self.device) if config.exposure else None
        self.corrections = Corrections(len(scene), scene.train, self.device) if config.refine_poses else None
        self._steps = max(steps, 1)
        self._progress, self._paced = 0.0, False
        self._rays = min(max(config.samples // config.detail.steps_across, _FEWEST_RAYS), _MOST_RAYS)
        self._sampled, self._begun = 0, False
        self._sightings: Sightings | None = None
        self._asked = False  # for sightings

    @property
    def pixels_per_step(self) -> int:
        """As many as the wanted number of samples is enough for, judged by the step before."""
        return self._rays

    def pace(self, progress: float) -> None:
        """From now on training is this far, 0 to 1; for runs whose number of steps is not known in advance."""
        self._progress, self._paced = progress, True

    def train_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Forward, loss, backward and Adam. A loss or gradient that is not finite changes nothing."""
        self._arrive(step)
        moved = None if self.corrections is None else self.corrections.leaf()
        rays = rays_of(batch) if moved is None else self._moved(rays_of(batch), views_of(batch), moved)
        at_most = 2 * _PASSED * self.config.samples
        around = step % _LOOK_AROUND == 0
        looking = self._looking(around=around)
        path = looking.along(rays, at_most=at_most, jitter=(self._seed, step))
        self.occupancy.mark(path.points())
        if not around:
            self._budget(len(rays), path)
        target = Target.of(batch, self.config.background, self._generator).first(len(path.rays))
        leaf = self.field.leaf()
        gains = None if self.gains is None else self.gains.leaf()
        seen = looking.look(path, leaf, shine=self._shine)
        factors = (
            None if self.gains is None or gains is None else self.gains.of(gains, views_of(batch)[: len(path.rays)])
        )
        losses = self._losses(seen, path.samples, target, factors)
        held = self.config.losses.depth * max(1 - self._progress / _HELD_UNTIL, 0.0)
        if self._sightings is not None and held > 0:
            losses["depth"] = held * self._guided(self._sightings, len(path.rays) // 8 + 1, leaf, moved, step)
        loss = torch.stack(list(losses.values())).sum()
        told = {name: value.detach() for name, value in losses.items()}
        loss.backward()
        gradient = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
        others = [part.grad for part in (gains, moved) if part is not None and part.grad is not None]
        if not all_finite(loss, gradient, *others):  # what broke in the tables passed through the networks
            self.field.forget_gradient()
            return told | {"gradient": gradient.new_full((), torch.nan)}
        self.field.step(gradient, rate=self._rate(self.config.rates.field))
        if self.gains is not None and gains is not None and gains.grad is not None:
            self.gains.step(gains.grad, self._rate(self.config.rates.exposure))
        if self.corrections is not None and moved is not None and moved.grad is not None:
            self.corrections.step(moved.grad, self._rate(self.config.rates.poses))
        return told

    def after_step(self, step: int) -> None:
        """Look again where the scene is empty."""
        self.occupancy.update(step + 1, self.field.density, seed=self._seed)

    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        """Image of one camera, or `pixels` of it. No exposure: the mean photo's."""
        looking = self._looking()
        if not self.occupancy.known:
            looking = replace(looking, step=_HAZE * looking.step)

        def look(rays: Rays) -> Seen:
            seen = looking.look(looking.along(rays, at_most=_RENDERED), shine=self._shine)
            return Seen(seen.rgb, seen.alpha, seen.depth)

        return render_rays(look, cameras, pixels, at_once=1 << 14, device=self.device)

    def density(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
        """Opacity gathered per world unit at these places of the world."""
        return self.field.density(points.to(self.device)).to(points.device)

    @property
    def surface_density(self) -> float:
        """Where two steps of a ray lose half of the light."""
        return 0.35 / self._step

    @property
    def bounds(self) -> Float[Tensor, "2 3"]:
        return self.field.bounds.corners()

    def size(self) -> str:
        return f"{self.field.grid.entries:,} table entries"

    def counts(self) -> dict[str, int]:
        return {"rays": self._rays, "samples": self._sampled, "occupied_permille": round(1000 * self.occupancy.share)}

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as tensors of their own."""
        state = {
            "bounds": self.field.bounds.numbers(),
            "progress": torch.tensor(self._progress, dtype=torch.float64),
            "generator": self._generator.get_state(),
            "rays": torch.tensor(self._rays),
            "sampled": torch.tensor(self._sampled),
            "begun": torch.tensor(self._begun),
        }
        for part, values in (("field", self.field), ("occupancy", self.occupancy)):
            state |= {f"{part}.{name}": value for name, value in values.state_dict().items()}
        if self.gains is not None:
            state |= {f"gains.{name}": value for name, value in self.gains.learned.state_dict().items()}
        if self.corrections is not None:
            state |= {f"corrections.{name}": value for name, value in self.corrections.learned.state_dict().items()}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._build(Bounds.from_numbers(state["bounds"]))
        self.field.load_state_dict(_below("field.", state))
        self.occupancy.load_state_dict(_below("occupancy.", state))
        if self.gains is not None:
            self.gains.learned.load_state_dict(_below("gains.", state))
        if self.corrections is not None:
            self.corrections.learned.load_state_dict(_below("corrections.", state))
        self._progress, self._begun = float(state["progress"]), bool(state["begun"])
        self._rays, self._sampled = int(state["rays"]), int(state["sampled"])
        self._generator.set_state(state["generator"])

    def _build(self, bounds: Bounds) -> None:
        config = self.config
        self._step = 2 * bounds.radius / config.detail.steps_across
        self.field = Field(
            bounds, config.detail, precision=config.precision, generator=self._generator, device=self.device
        )
        self.occupancy = Occupancy(bounds, cells=config.detail.occupancy, step=self._step, device=self.device)

    def _arrive(self, step: int) -> None:
        if not self._paced:
            self._progress = min(step / self._steps, 1.0)
        if not self._begun:
            self.occupancy.carve(self._scene, near=self.config.near)
            self._begun = True
        if self.config.losses.depth > 0 and not self._asked:
            self._sightings, self._asked = Sightings.of(self._scene, self.device), True

    def _rate(self, start: float) -> float:
        return rate_at(start, self.config.rates.end, self._progress)

    def _looking(self, *, around: bool = False) -> Looking:
        cubes = self.occupancy.everything if around else self.occupancy.cubes
        return Looking(self.field, cubes, self._step, self.config.near, self.config.antialiased)

    def _budget(self, rays: int, path: Path) -> None:
        """Rays of the next step: changed by no more than half of what this one had."""
        self._sampled = len(path.samples)
        per_ray = max(self._sampled, path.passed / _PASSED, 1) / max(len(path.rays), 1)
        wanted = min(max(self.config.samples / per_ray, 0.5 * rays), 1.5 * rays)
        self._rays = min(max(round(wanted), _FEWEST_RAYS), _MOST_RAYS)

    @property
    def _shine(self) -> float:
        return min(self._progress / max(self.config.shine_by, 1e-6), 1.0)

    def _moved(self, rays: Rays, views: Int[Tensor, "r"], leaf: Float[Tensor, "w"] | None) -> Rays:
        return rays if self.corrections is None or leaf is None else self.corrections.moved(rays, views, leaf)

    def _guided(
        self,
        sightings: Sightings,
        rays: int,
        leaf: Float[Tensor, "w"],
        moved: Float[Tensor, "w"] | None,
        step: int,
    ) -> Float[Tensor, ""]:
        guidance = sightings.draw(rays, self._generator)
        at_most = _PASSED * self.config.samples
        rays_there = self._moved(guidance.rays, guidance.view, moved)
        looking = self._looking()
        path = looking.along(rays_there, at_most=at_most, jitter=(self._seed + 1, step))
        return depth_loss(looking.look(path, leaf, shine=self._shine), guidance)

    def _losses(
        self, seen: Composited, samples: Samples, target: Target, factors: Float[Tensor, "r 3"] | None
    ) -> dict[str, Tensor]:
        weights = self.config.losses
        rgb = seen.rgb if factors is None else seen.rgb * factors
        losses = {"colour": colour_loss(rgb, seen.alpha, target, weights.kind)}
        if weights.distortion > 0 and len(samples) > 0:
            losses["distortion"] = weights.distortion * distortion(seen.weights, drawn_in(samples), scale=1.0).mean()
        if weights.entropy > 0:
            losses["entropy"] = weights.entropy * entropy(seen.alpha)
        return losses


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
