"""Gaussians far outside the scene, which would cost all others their precision in formats of fixed ranges.

Training leaves a few of them thousands of times farther away than anything else. Seen from inside the scene, one
drawn in towards the middle and shrunk in proportion looks the same.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

__all__ = ["beyond_reach", "drawn_in", "far_out"]

_FAR = 8.0
_REACH = 60.0
"""Median distances from the middle beyond which nothing is kept: there, an orbit of the scene moves a splat by a
degree."""


def far_out(means: Float[np.ndarray, "g 3"]) -> Bool[np.ndarray, "g"]:
    """Those several times farther from the middle than half of all are."""
    _, distance, typical = _distances(means)
    return distance > _FAR * typical


def beyond_reach(means: Float[np.ndarray, "g 3"]) -> int:
    """How many `drawn_in` moves."""
    _, distance, typical = _distances(means)
    return int((distance > _REACH * typical).sum())


def drawn_in(
    means: Float[np.ndarray, "g 3"], log_scales: Float[np.ndarray, "g 3"]
) -> tuple[Float[np.ndarray, "g 3"], Float[np.ndarray, "g 3"]]:
    """Positions within reach of the middle, and log scales in proportion; those within reach already do not change."""
    middle, distance, typical = _distances(means)
    share = np.minimum(1, _REACH * typical / np.maximum(distance, 1e-30)).astype(np.float32)
    moved = share < 1
    if not moved.any():
        return means, log_scales
    means, log_scales = means.copy(), log_scales.copy()
    means[moved] = middle + (means[moved] - middle) * share[moved, None]
    log_scales[moved] += np.log(share[moved, None])
    return means, log_scales


def _distances(means: Float[np.ndarray, "g 3"]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "g"], float]:
    """The middle, distances from it, and the typical one."""
    if len(means) == 0:
        return np.zeros(3, np.float32), np.zeros(0, np.float32), 1.0
    middle = np.median(means, axis=0)
    distance = np.linalg.norm((means - middle).astype(np.float64), axis=1).astype(np.float32)
    return middle, distance, max(float(np.median(distance)), 1e-12)
