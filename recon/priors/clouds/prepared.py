"""Any cloud as a network wants it: upright, radius 1, so many points, in an order that is the points' own.

The order comes from a hash of the coordinates. So the same points in another order are the same to the last bit, and a
number of them is a fair sample.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.priors.clouds.facing import turned_to_box

__all__ = ["FEWEST", "prepared"]

FEWEST = 32
"""Points that can have a shape."""
_FLAT = 1e-9
"""Size over distance from the origin below which the numbers hold no shape."""


def prepared(
    xyz: Float[np.ndarray, "p 3"], *, up: Float[np.ndarray, "3"], count: int, to_box: bool = False
) -> Float[np.ndarray, "n 3"]:
    """`count` of the points, +z up, about the middle of their box, the farthest at distance 1.

    `to_box` turns them about +z to have their sides along x and y. Fewer
    points are repeated. Raises `InputError` where there are too few, or all are at one place.
    """
    xyz = np.asarray(xyz, dtype=np.float64)
    xyz = xyz[np.isfinite(xyz).all(axis=1)]
    if len(xyz) < FEWEST:
        raise InputError(f"{len(xyz)} finite points have no shape.", advice=f"Give {FEWEST} or more.")
    centred = _about_the_middle(xyz)
    radius = np.linalg.norm(centred, axis=1).max()
    if not radius > _FLAT * np.abs(xyz).max():
        raise InputError("All points are at one place.", advice="Give a cloud with a size.")
    upright = (centred[:, None] / radius * _upright(up)).sum(axis=2).astype(np.float32)  # the same for every row
    chosen = upright[_own_order(upright)[:count]]
    chosen = np.resize(chosen, (count, 3))  # repeats from the start
    chosen = _about_the_middle(turned_to_box(chosen) if to_box else chosen)
    return chosen / np.linalg.norm(chosen, axis=1).max()


def _about_the_middle(xyz: np.ndarray) -> np.ndarray:
    return xyz - (xyz.min(axis=0) + xyz.max(axis=0)) / 2


def _upright(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The smallest rotation that takes `up` to +z; exactly the identity where it is there."""
    up = np.asarray(up, dtype=np.float64) / np.linalg.norm(up)
    axis, cosine = np.cross(up, (0.0, 0.0, 1.0)), up[2]
    if cosine < -1 + 1e-9:
        return np.diag([1.0, -1.0, -1.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + cross + cross @ cross / (1 + cosine)


def _own_order(xyz: Float[np.ndarray, "p 3"]) -> np.ndarray:
    """Indices sorted by a hash of each point's bits; SplitMix64's mixer (Steele et al. 2014) between the axes."""
    bits = (xyz + np.float32(0)).view(np.uint32).astype(np.uint64)  # -0 is 0
    key = np.zeros(len(xyz), dtype=np.uint64)
    for axis in range(3):
        key = (key ^ bits[:, axis]) + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return key.argsort(kind="stable")
