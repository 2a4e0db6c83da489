"""From rays to what they see: march through cells that are not empty, keep what is visible, colour that.

Letters: `r` rays, `n` samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from recon.models.nerf.field import Field
from recon.models.nerf.visible import visible
from recon.models.rays.cast import Rays
from recon.ops.composite import Composited, composite
from recon.ops.march import OccupancyCubes, Samples, march
from recon.ops.place import Placed, place_samples

__all__ = ["Looking", "Path", "drawn_in"]


@dataclass(frozen=True)
class Path:
    """Rays, those that there was room for, with the samples that they see."""

    rays: Rays
    samples: Samples
    passed: int
    """Samples that were asked for their density."""

    def points(self) -> Float[Tensor, "n 3"]:
        """The samples' middles, in the world."""
        of = self.samples.rays.long()
        return (self.rays.origins[of] + self.rays.directions[of] * self.samples.mid[:, None]).detach()


@dataclass(frozen=True)
class Looking:
    """How rays of a model meet its field."""

    field: Field
    cubes: OccupancyCubes
    step: float
    """Between two samples, near the middle; world units."""
    near: float
    antialiased: bool

    def along(self, rays: Rays, *, at_most: int, jitter: tuple[int, int] | None = None) -> Path:
        """The visible ones of at most so many samples, and at least of one ray's."""
        bounds = self.field.bounds
        samples = march(
            rays.origins,
            rays.directions,
            self.cubes,
            step=self.step,
            cone=self.step / bounds.radius if bounds.contract else 0.0,
            near=self.near,
            far=bounds.far,
            max_samples=max(at_most, round(32 * bounds.radius / self.step)),
            jitter=jitter,
        )
        if samples.complete < len(rays):
            rays, samples = rays[: samples.complete], _first(samples)
        seen = visible(samples, lambda part: self.field.density_at(self._place(rays, part)))
        return Path(rays, seen, len(samples))

    def look(self, path: Path, leaf: Float[Tensor, "w"] | None = None, *, shine: float = 1.0) -> Composited:
        """What the rays see. Differentiable when given a `leaf` of the field; see `Field.at` for `shine`."""
        placed = self._place(path.rays, path.samples)
        matter = self.field.at(placed, path.samples, path.rays.directions, leaf, shine=shine)
        return composite(matter.density, matter.rgb, path.samples)

    def _place(self, rays: Rays, samples: Samples) -> Placed:
        bounds = self.field.bounds
        return place_samples(
            rays.origins,
            rays.directions,
            samples,
            center=bounds.center,
            radius=bounds.radius,
            contract=bounds.contract,
            cone_radius=rays.width if self.antialiased else None,
        )


def drawn_in(samples: Samples) -> Samples:
    """Distances t as t / (1 + t): what is far counts as little as it is small to the eye."""
    t0, t1 = samples.t0 / (1 + samples.t0), samples.t1 / (1 + samples.t1)
    return Samples(samples.offsets, samples.rays, t0, t1, samples.complete)


def _first(samples: Samples) -> Samples:
    """Without the rays that lack samples."""
    offsets = samples.offsets[: samples.complete + 1]
    return Samples(offsets, samples.rays, samples.t0, samples.t1, samples.complete)
