"""The radiance field of 2020: a coarse network finds where something is, a fine one learns what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.classic.config import ClassicNerfConfig
from recon.models.classic.network import Network
from recon.models.classic.places import Span, gathered, packed, spread
from recon.models.rays.bounds import Bounds
from recon.models.rays.cast import Rays, rays_of
from recon.models.rays.image import Seen, render_rays
from recon.models.rays.learned import Learned, all_finite, rate_at
from recon.models.rays.target import Target, colour_loss
from recon.ops.composite import Composited, composite
from recon.ops.march import Samples
from recon.types import Batch, Cameras, Render

__all__ = ["ClassicNerfModel"]

_AT_ONCE = 1 << 16
"""Samples looked at together where nothing is learnt."""


@dataclass(frozen=True)
class _Looks:
    coarse: Composited
    fine: Composited


class ClassicNerfModel:
    """A `Model` (recon.types). `pace` says how far training is; without it, `steps` does."""

    sampling: Literal["images", "pixels"] = "pixels"

    def __init__(
        self,
        config: ClassicNerfConfig,
        bounds: Bounds,
        *,
        steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self._generator = torch.Generator().manual_seed(seed)
        self._network = Network(config.layers, config.width, config.position_bands, config.direction_bands)
        start = [self._network.weights(self._generator) for _ in ("coarse", "fine")]
        self._tensors = len(start[0])
        self.learned = Learned.of(start[0] + start[1], self.device)
        self._bounds = bounds
        self._steps = max(steps, 1)
        self._progress, self._paced = 0.0, False

    @property
    def pixels_per_step(self) -> int:
        return self.config.rays

    def pace(self, progress: float) -> None:
        """From now on training is this far, 0 to 1; for runs whose number of steps is not known in advance."""
        self._progress, self._paced = progress, True

    def train_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Forward, loss, backward and Adam. A loss or gradient that is not finite changes nothing."""
        if not self._paced:
            self._progress = min(step / self._steps, 1.0)
        target = Target.of(batch, self.config.background, self._generator)
        leaf = self.learned.values.clone().requires_grad_()
        looks = self._look(rays_of(batch), leaf, self._generator)
        losses = {
            name: colour_loss(seen.rgb, seen.alpha, target, self.config.loss)
            for name, seen in (("coarse", looks.coarse), ("fine", looks.fine))
        }
        loss = losses["coarse"] + losses["fine"]
        told = {name: value.detach() for name, value in losses.items()}
        loss.backward()
        assert leaf.grad is not None
        if not all_finite(loss, leaf.grad):
            return told | {"gradient": leaf.new_full((), torch.nan)}
        rates = self.config.rates
        self.learned.step(leaf.grad, rate_at(rates.networks, rates.end, self._progress))
        return told

    def after_step(self, step: int) -> None:
        """Nothing changes between two steps."""

    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        """Image of one camera, or `pixels` of it."""

        def look(rays: Rays) -> Seen:
            seen = self._look(rays, self.learned.values, None).fine
            return Seen(seen.rgb, seen.alpha, seen.depth)

        per_ray = 2 * self.config.coarse + self.config.fine
        at_once = max(_AT_ONCE // per_ray, 1)
        return render_rays(look, cameras, pixels, at_once=at_once, device=self.device)

    @torch.no_grad()
    def density(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
        """Opacity gathered per world unit at these places of the world; zero outside the cube of a bounded scene."""
        fine = self.learned.parts()[self._tensors :]
        parts = []
        for some in points.split(_AT_ONCE):
            places = self._places(some.to(self.device))
            density, _ = self._network.answer(places, torch.zeros_like(places), fine)
            if not self._bounds.contract:
                density = density * (places.abs() <= 1).all(dim=-1)
            parts.append((density / self._bounds.radius).to(points.device))
        return torch.cat(parts) if parts else points.new_zeros(0)

    @property
    def surface_density(self) -> float:
        """Where a hundredth of the scene's width takes a half of the light."""
        return 35.0 / self._bounds.radius

    @property
    def bounds(self) -> Float[Tensor, "2 3"]:
        return self._bounds.corners()

    def size(self) -> str:
        return f"{len(self.learned.values):,} weights"

    def counts(self) -> dict[str, int]:
        return {"rays": self.config.rays, "weights": len(self.learned.values)}

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as tensors of their own."""
        state = {f"learned.{name}": value for name, value in self.learned.state_dict().items()}
        return state | {
            "bounds": self._bounds.numbers(),
            "progress": torch.tensor(self._progress, dtype=torch.float64),
            "generator": self._generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.learned.load_state_dict({name: state[f"learned.{name}"] for name in self.learned.state_dict()})
        self._bounds = Bounds.from_numbers(state["bounds"])
        self._progress = float(state["progress"])
        self._generator.set_state(state["generator"])

    def _look(self, rays: Rays, values: Float[Tensor, "w"], generator: torch.Generator | None) -> _Looks:
        weights = self.learned.parts(values)
        span = Span.of(rays, self._bounds, self.config.near)
        ends = spread(len(rays), self.config.coarse, generator, self.device)
        coarse = self._answer(rays, packed(span.at(ends)), weights[: self._tensors])
        ends = gathered(ends, coarse.weights.reshape(len(rays), -1), self.config.fine, generator)
        return _Looks(coarse, self._answer(rays, packed(span.at(ends)), weights[self._tensors :]))

    def _answer(self, rays: Rays, samples: Samples, weights: list[Tensor]) -> Composited:
        of = samples.rays.long()
        directions = rays.directions[of]
        points = rays.origins[of] + directions * samples.mid[:, None]
        density, rgb = self._network.answer(self._places(points), directions, weights)
        return composite(density / self._bounds.radius, rgb, samples)

    def _places(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p 3"]:
        """World to -1..1, all of the world when there are no bounds."""
        y = self._bounds.unit(points)
        if not self._bounds.contract:
            return y
        norm = y.norm(dim=-1, keepdim=True).clamp(min=1)
        return y * (2 - 1 / norm) / norm / 2
