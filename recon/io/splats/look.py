"""From where to look at splats first, and how far one may go from there: what a page needs to know besides them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from recon.geometry import look_at
from recon.types import Gaussians

__all__ = ["Look", "guessed_look", "views_around"]

Triple = tuple[float, float, float]

_MIDDLE_DISTANCE = 2.5
"""Median distances from the middle at which all of a scene is seen."""
_HALF_WIDE, _HALF_HIGH = 0.6, 0.45


@dataclass(frozen=True)
class Look:
    """In the axes and lengths of the splats. `up` is theirs."""

    eye: Triple
    target: Triple
    """What is turned around, straight ahead."""
    across: float = _HALF_WIDE
    """Tangent of half the horizontal angle that must be seen, whatever the shape of the window."""
    down: float = _HALF_HIGH
    """The same, vertical."""
    nearest: float = 0.0
    """Distance from the target that one may come to."""
    farthest: float = math.inf
    lowest: float = -math.pi / 2
    """Angle above the horizon, radians."""
    highest: float = math.pi / 2
    around: tuple[float, float] | None = None
    """How far to turn clockwise (negative) and counter-clockwise, seen from above; None for all the way round."""
    background: Triple = (0.0, 0.0, 0.0)
    title: str = ""

    @property
    def distance(self) -> float:
        return math.dist(self.eye, self.target)

    def turned(self, turn: Float[np.ndarray, "3 3"]) -> Look:
        """In axes that `turn` takes points to; one that mirrors exchanges left and right."""
        around = self.around
        if around is not None and np.linalg.det(turn) < 0:
            around = (-around[1], -around[0])
        return replace(self, eye=_triple(turn @ self.eye), target=_triple(turn @ self.target), around=around)


def guessed_look(gaussians: Gaussians, up: Float[np.ndarray, "3"]) -> Look:
    """The densest part from some distance, when nobody knows where the photos were taken."""
    means = gaussians.means[gaussians.means.isfinite().all(dim=1)].double().numpy()
    middle = np.median(means, axis=0) if len(means) > 0 else np.zeros(3)
    spread = float(np.median(np.linalg.norm(means - middle, axis=1))) if len(means) > 0 else 1.0
    distance = _MIDDLE_DISTANCE * max(spread, 1e-6)
    eye = views_around(middle, distance, up, 1)[0]
    return Look(_triple(eye), _triple(middle), nearest=0.1 * distance, farthest=4 * distance)


def views_around(
    middle: Float[np.ndarray, "3"], distance: float, up: Float[np.ndarray, "3"], count: int
) -> Float[np.ndarray, "count 3"]:
    """Eyes in a ring around the middle, somewhat above it."""
    toward = -look_at(np.zeros(3), np.eye(3)[np.argmin(np.abs(up))], up)[:3, :3]
    east, north = toward[0], np.cross(up, toward[0])
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None]
    return middle + distance * (0.9 * (np.cos(angles) * east + np.sin(angles) * north) + 0.4 * up)


def _triple(vector: Float[np.ndarray, "3"]) -> Triple:
    x, y, z = (float(value) for value in vector)
    return x, y, z
