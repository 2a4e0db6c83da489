"""Which part of the world a field fills, chosen from how the photos were taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.types import Scene

__all__ = ["Bounds", "Extent", "choose_bounds"]

Extent = Literal["auto", "bounded", "unbounded"]
_MARGIN = 1.25
"""Points triangulated from photos do not reach the edges of smooth things."""
_OUTLIERS = 0.005
"""Share of the points at either end that may lie outside a bounded scene."""
_DOUBLINGS = 5
"""Cubes of an unbounded scene; the last one reaches 16 times the distance of cameras from what they look at."""


@dataclass(frozen=True)
class Bounds:
    """A cube around a thing, or the world around a ball: what lies outside it is drawn together (contracted)."""

    center: tuple[float, float, float]
    radius: float
    """Half the side of the cube, or the radius of the ball; world units."""
    contract: bool

    @property
    def doublings(self) -> int:
        """Cubes of occupancy, each twice as wide as the last, the first of half side `radius`."""
        return _DOUBLINGS if self.contract else 1

    @property
    def reach(self) -> float:
        """Half the side of the last cube."""
        return self.radius * 2 ** (self.doublings - 1)

    @property
    def far(self) -> float:
        """Distance that no ray from inside or near the cubes needs to go beyond."""
        return 4 * self.reach + 10.0

    def from_middle(self, points: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 3"]:
        """Places of the world, seen from the centre. No tensor is made of it: sending one to a GPU would wait."""
        return torch.stack([x - center for x, center in zip(points.unbind(-1), self.center, strict=True)], dim=-1)

    def unit(self, points: Float[Tensor, "*p 3"]) -> Float[Tensor, "*p 3"]:
        """The same in units of `radius`."""
        return self.from_middle(points) / self.radius

    def corners(self) -> Float[Tensor, "2 3"]:
        center = torch.tensor(self.center)
        return torch.stack([center - self.radius, center + self.radius])

    def numbers(self) -> Float[Tensor, "5"]:
        """For a checkpoint."""
        return torch.tensor([*self.center, self.radius, float(self.contract)], dtype=torch.float64)

    @classmethod
    def from_numbers(cls, numbers: Float[Tensor, "5"]) -> Bounds:
        x, y, z, radius, contract = numbers.tolist()
        return cls((x, y, z), radius, contract == 1)


def choose_bounds(scene: Scene, extent: Extent, *, near: float) -> Bounds:
    """A cube around the points where photos show a thing cut out, else the whole world around what cameras look at.

    Raises `InputError` when nothing can be seen beyond the `near` plane.
    """
    bounded = scene.transparent if extent == "auto" else extent == "bounded"
    bounds = _around_points(scene) if bounded else Bounds((0.0, 0.0, 0.0), 1.0, contract=True)
    farthest = _farthest(scene, bounds)
    if near >= farthest:
        raise InputError(
            f"The near plane at {near:g} lies beyond the scene, which ends {farthest:.3g} away from its cameras.",
            advice="Give a smaller --near; 1 is about the distance of the cameras from what they look at.",
        )
    return bounds


def _around_points(scene: Scene) -> Bounds:
    xyz = scene.points.xyz
    if len(xyz) < 8:
        return Bounds((0.0, 0.0, 0.0), 1.0, contract=False)
    ordered = xyz.sort(dim=0).values
    skip = int(_OUTLIERS * len(xyz))
    low, high = ordered[skip], ordered[len(xyz) - 1 - skip]
    x, y, z = ((low + high) / 2).tolist()
    return Bounds((x, y, z), max(_MARGIN / 2 * float((high - low).max()), 1e-3), contract=False)


def _farthest(scene: Scene, bounds: Bounds) -> float:
    """Distance from the training cameras to the far corner of the cubes."""
    position = scene.cameras[list(scene.train)].position
    away = (position - torch.tensor(bounds.center)).abs() + bounds.reach
    return float(away.norm(dim=-1).max())
