"""Did the camera only turn? Then one rotation explains all matches of a pair, and no depth can be had from them.

Asked of the matches, not of the model: bundle adjustment will bend a lens until turning looks like moving.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["FOCALS", "turning_error"]

FOCALS = np.geomspace(0.6, 2.5, 9)
"""Focal lengths tried, in longest sides: 80 to 23 degrees of view. Longer lenses cannot tell turning from moving."""
_SAMPLE = 60
"""Matches looked at."""


def turning_error(
    first: Float[np.ndarray, "q 2"],
    second: Float[np.ndarray, "q 2"],
    first_size: tuple[int, int],
    second_size: tuple[int, int],
) -> Float[np.ndarray, "f"]:
    """For each focal length, how far the best rotation misses: the 80th percentile over matches, in longest sides."""
    sample = np.linspace(0, len(first) - 1, min(len(first), _SAMPLE)).astype(int)
    a, b = _centered(first[sample], first_size), _centered(second[sample], second_size)
    from_a, from_b = _rays(a), _rays(b)
    weight = np.ones(from_a.shape[:2])
    miss = np.zeros(from_a.shape[:2])
    for _ in range(3):  # the worst fifth may be wrong matches
        u, _, vt = np.linalg.svd(np.einsum("fq,fqi,fqj->fij", weight, from_b, from_a))
        u[:, :, 2] *= np.linalg.det(u @ vt)[:, None]
        there = np.einsum("fij,fqj->fqi", u @ vt, from_a)
        projected = FOCALS[:, None, None] * there[:, :, :2] / np.maximum(there[:, :, 2:], 1e-3)
        miss = np.linalg.norm(projected - b, axis=2)
        weight = (miss <= np.quantile(miss, 0.8, axis=1, keepdims=True)).astype(float)
    return np.quantile(miss, 0.8, axis=1)


def _centered(pixels: Float[np.ndarray, "q 2"], size: tuple[int, int]) -> Float[np.ndarray, "q 2"]:
    return (pixels - np.array(size) / 2) / max(size)


def _rays(centered: Float[np.ndarray, "q 2"]) -> Float[np.ndarray, "f q 3"]:
    """Unit rays for each focal length."""
    shape = (len(FOCALS), len(centered))
    rays = np.concatenate(
        [np.broadcast_to(centered, (*shape, 2)), np.broadcast_to(FOCALS[:, None, None], (*shape, 1))], axis=2
    )
    return rays / np.linalg.norm(rays, axis=2, keepdims=True)
