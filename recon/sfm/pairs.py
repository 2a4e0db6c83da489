"""Which photos to compare.

Every photo is compared with every other by its few largest features first, which costs a hundredth of a full comparison
and finds overlap and closed loops without a vocabulary to download. Source: preemptive matching, Wu 2013, "Towards
linear-time incremental structure from motion", 3DV.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon.sfm.features import Features

__all__ = ["choose_pairs", "unit_descriptors"]

_FEW = 24
"""Up to this number of photos all pairs are compared."""
_MOST_LARGEST = 256
_WORK = 60_000
"""Largest features of all photos together, so that 1 000 photos take a minute."""


def choose_pairs(
    features: list[Features],
    *,
    ordered: bool,
    mode: Literal["auto", "exhaustive", "similar", "sequential"],
    neighbours: int,
    threads: int,
    progress: Callable[[float], None],
) -> list[tuple[int, int]]:
    """Pairs (i, j) with i < j, the most promising first."""
    n = len(features)
    every = [(i, j) for i in range(n) for j in range(i + 1, n)]
    if mode == "exhaustive" or (mode == "auto" and n <= _FEW):
        return every
    scores = similarity(features, threads, progress)
    sequential = mode == "sequential" or (mode == "auto" and ordered)
    chosen = {(i, i + step) for step in _steps(neighbours) for i in range(n - step)} if sequential else set()
    for i, row in enumerate(scores):
        best = np.argsort(-row, kind="stable")[:neighbours]
        chosen |= {
            (min(i, j), max(i, j)) for rank, j in enumerate(best.tolist()) if j != i and (row[j] > 0 or rank < 4)
        }
    return sorted(chosen, key=lambda pair: -scores[pair])


def similarity(features: list[Features], threads: int, progress: Callable[[float], None]) -> Int[np.ndarray, "n n"]:
    """How many of the largest features of each two photos match. Symmetric, zero on the diagonal."""
    n = len(features)
    largest = int(np.clip(_WORK // n, 64, _MOST_LARGEST))
    blocks = np.zeros((n, largest, 128), dtype=np.float32)  # rows of zeros match nothing
    for block, one in zip(blocks, features, strict=True):
        top = unit_descriptors(one.descriptors[:largest])
        block[: len(top)] = top
    scores = np.zeros((n, n), dtype=np.int64)
    done = 0

    def score(i: int) -> None:
        nonlocal done
        for start in range(i + 1, n, 64):  # bounds the memory
            others = blocks[start : start + 64]
            cosines = np.matmul(blocks[i], others.transpose(0, 2, 1))
            scores[i, start : start + 64] = mutual_matches(cosines)[1].sum(axis=1)
        done += 1
        progress(done / n)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(score, range(n)))
    return scores + scores.T


def mutual_matches(
    cosines: Float[np.ndarray, "*n k m"],
) -> tuple[Int[np.ndarray, "*n k"], np.ndarray]:
    """For each of k features the nearest of m others, and whether to trust it: nearest both ways, and unrivalled.

    `cosines` is overwritten. Unrivalled: the angle to the second nearest is at least 1.25 times as large (Lowe 2004).
    """
    nearest = cosines.argmax(axis=-1)
    best = np.take_along_axis(cosines, nearest[..., None], axis=-1)
    best_of_other = np.take_along_axis(cosines.max(axis=-2), nearest, axis=-1)
    np.put_along_axis(cosines, nearest[..., None], -1.0, axis=-1)
    best, second = best[..., 0], cosines.max(axis=-1)
    angle, rival = np.arccos(np.minimum(best, 1)), np.arccos(np.clip(second, -1, 1))
    return nearest, (best >= best_of_other) & (angle < 0.8 * rival) & (angle < 0.7)


def unit_descriptors(descriptors: UInt8[np.ndarray, "k 128"]) -> Float[np.ndarray, "k 128"]:
    """COLMAP's bytes as unit vectors."""
    floats = descriptors.astype(np.float32)
    return floats / np.maximum(np.linalg.norm(floats, axis=1, keepdims=True), 1e-6)


def _steps(neighbours: int) -> list[int]:
    """Distances in a sequence: all small ones, then powers of two, which bridge a few blurred frames."""
    near = max(2, neighbours // 2)
    return [*range(1, near + 1), *(2**power for power in range(10) if near < 2**power <= 4 * near)]
