"""Did the camera only turn? Then one rotation explains all matches of a pair, and no depth can be had from them.

Asked of the matches, not of the model: bundle adjustment will bend a lens until turning looks like moving.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = ["FOCALS", "turning_error"]

FOCALS = np.geomspace(0.6, 2.5, 13)
"""Focal lengths tried, in longest sides: 80 to 23 degrees of view. Longer lenses cannot tell turning from moving."""


def turning_error(
    first: Float[np.ndarray, "q 2"],
    second: Float[np.ndarray, "q 2"],
    first_size: tuple[int, int],
    second_size: tuple[int, int],
) -> Float[np.ndarray, "f"]:
    """For each focal length, how far the best rotation misses: the 80th percentile over matches, in longest sides."""
    a, b = _centered(first, first_size), _centered(second, second_size)
    errors = []
    for focal in FOCALS:
        from_a, from_b = _rays(a, focal), _rays(b, focal)
        keep = np.ones(len(a), dtype=bool)
        miss = np.zeros(len(a))
        for _ in range(3):  # the worst fifth may be wrong matches
            u, _, vt = np.linalg.svd(from_b[keep].T @ from_a[keep])
            b_from_a = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
            there = from_a @ b_from_a.T
            miss = np.linalg.norm(focal * there[:, :2] / np.maximum(there[:, 2:], 1e-3) - b, axis=1)
            keep = miss <= np.quantile(miss, 0.8)
        errors.append(float(np.quantile(miss, 0.8)))
    return np.array(errors)


def _centered(pixels: Float[np.ndarray, "q 2"], size: tuple[int, int]) -> Float[np.ndarray, "q 2"]:
    return (pixels - np.array(size) / 2) / max(size)


def _rays(centered: Float[np.ndarray, "q 2"], focal: float) -> Float[np.ndarray, "q 3"]:
    rays = np.concatenate([centered, np.full((len(centered), 1), focal)], axis=1)
    return rays / np.linalg.norm(rays, axis=1, keepdims=True)
