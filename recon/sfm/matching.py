"""Matches between features of two photos, and whether one rigid scene explains them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from recon.sfm.features import Features
from recon.sfm.pairs import mutual_matches, unit_descriptors
from recon.sfm.turning import turning_error

if TYPE_CHECKING:
    import pycolmap

__all__ = ["Verified", "match_pairs"]

FEWEST_MATCHES = 15
"""COLMAP's: a pair with fewer is as good as none."""


@dataclass(frozen=True)
class Verified:
    """Two photos that show the same thing."""

    pair: tuple[int, int]
    geometry: pycolmap.TwoViewGeometry

    turning: Float[np.ndarray, "f"]
    """What `turning_error` says of its matches."""


def match_pairs(
    features: list[Features],
    cameras: list[pycolmap.Camera],
    pairs: list[tuple[int, int]],
    *,
    seed: int,
    threads: int,
    progress: Callable[[float], None],
) -> list[Verified]:
    """The pairs that geometry confirms; `cameras` has one entry per photo."""
    import pycolmap

    options = pycolmap.TwoViewGeometryOptions()
    options.ransac.random_seed = seed
    # Half the time of the defaults, and as many matches confirmed (fox): local optimisation finds them, not luck.
    options.ransac.min_num_trials = 20
    options.ransac.dyn_num_trials_multiplier = 1.0
    options.use_sampson_refinement = False
    descriptors = [unit_descriptors(one.descriptors) for one in features]
    points = [one.keypoints[:, :2].astype(np.float64) for one in features]

    def verify(pair: tuple[int, int]) -> Verified | None:
        i, j = pair
        matches = match(descriptors[i], descriptors[j])
        if len(matches) < FEWEST_MATCHES:
            return None
        geometry = pycolmap.estimate_two_view_geometry(
            cameras[i], points[i], cameras[j], points[j], matches.astype(np.uint32), options
        )
        inliers = np.asarray(geometry.inlier_matches)
        if len(inliers) < FEWEST_MATCHES:
            return None
        sizes = [(cameras[index].width, cameras[index].height) for index in pair]
        return Verified(pair, geometry, turning_error(points[i][inliers[:, 0]], points[j][inliers[:, 1]], *sizes))

    verified: list[Verified] = []
    with ThreadPoolExecutor(threads) as pool:
        for number, one in enumerate(pool.map(verify, pairs), start=1):
            if one is not None:
                verified.append(one)
            progress(number / len(pairs))
    return verified


def match(first: Float[np.ndarray, "k 128"], second: Float[np.ndarray, "m 128"]) -> Int[np.ndarray, "q 2"]:
    """Indices of features that are each other's nearest and have no rival. Unit descriptors."""
    if len(first) < 2 or len(second) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    nearest, trusted = mutual_matches(first @ second.T)
    return np.stack([np.flatnonzero(trusted), nearest[trusted]], axis=1)
