"""How a cloud is turned about its up axis: so that the box around it is the smallest.

Furniture has sides; most of it is turned to its own by that, but for quarter turns.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["box_angle", "turned_to_box"]

_ANGLES = np.radians(np.arange(90))


def box_angle(xy: Float[np.ndarray, "p 2"]) -> float:
    """Radians, 0 to a quarter turn by degrees, from the first axis to a side of the rectangle of the smallest area."""
    areas = [np.ptp(xy @ (c, s)) * np.ptp(xy @ (-s, c)) for c, s in zip(np.cos(_ANGLES), np.sin(_ANGLES), strict=True)]
    return float(_ANGLES[int(np.argmin(areas))])


def turned_to_box(xyz: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "p 3"]:
    """About +z until the sides of that rectangle are along x and y; the same points where they are already."""
    angle = box_angle(xyz[:, :2])
    c, s = np.cos(angle), np.sin(angle)
    return xyz @ np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]], dtype=xyz.dtype)
