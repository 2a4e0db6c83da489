"""Which photos to compare.

Every photo is compared with every other by its few largest features first, which costs a hundredth of a full comparison
and finds overlap and closed loops without a vocabulary to download. Source: preemptive matching, Wu 2013, "Towards
linear-time incremental structure from motion", 3DV. Of many photos, only those that look alike as a whole are compared
so, and the work grows with their number, not its square (`recon.retrieval`).
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon.retrieval import Vocabulary, pairs_of, rooted
from recon.sfm.features import Features

__all__ = ["choose_pairs", "unit_descriptors"]

_FEW = 24
"""Up to this number of photos all pairs are compared."""
_MOST_LARGEST = 256
_MANY = 300
"""Above this number of photos, only likely pairs are compared at all."""
_LIKELY = 40
"""Photos that look most alike as a whole, of each photo. On fox the best partner of a photo by matches is among its 6
most alike of 16 nine times in ten."""


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
    if mode == "exhaustive" or (mode == "auto" and n <= _FEW):
        return _every(n)
    candidates = _every(n) if n <= _MANY else likely_pairs(features, max(_LIKELY, 2 * neighbours), threads)
    scores = similarity(features, candidates, threads, progress)
    sequential = mode == "sequential" or (mode == "auto" and ordered)
    chosen = {(i, i + step) for step in _steps(neighbours) for i in range(n - step)} if sequential else set()
    for i, row in enumerate(scores):
        best = np.argsort(-row, kind="stable")[:neighbours]
        chosen |= {
            (min(i, j), max(i, j)) for rank, j in enumerate(best.tolist()) if j != i and (row[j] > 0 or rank < 4)
        }
    return sorted(chosen, key=lambda pair: -scores[pair])


def likely_pairs(features: list[Features], count: int, threads: int) -> list[tuple[int, int]]:
    """Each photo with the `count` photos that look most like it as a whole."""
    descriptors = [rooted(one.descriptors) for one in features]
    vocabulary = Vocabulary.learn(descriptors)
    with ThreadPoolExecutor(threads) as pool:
        vectors = np.stack(list(pool.map(vocabulary.describe, descriptors)))
    return sorted(pairs_of(vectors, count))


def similarity(
    features: list[Features], pairs: list[tuple[int, int]], threads: int, progress: Callable[[float], None]
) -> Int[np.ndarray, "n n"]:
    """How many of the largest features of each of these pairs match. Symmetric, zero for other pairs."""
    n = len(features)
    blocks = np.zeros((n, _MOST_LARGEST, 128), dtype=np.float32)  # rows of zeros match nothing
    for block, one in zip(blocks, features, strict=True):
        top = unit_descriptors(one.descriptors[:_MOST_LARGEST])
        block[: len(top)] = top
    partners: list[list[int]] = [[] for _ in range(n)]
    for i, j in pairs:
        partners[i].append(j)
    scores = np.zeros((n, n), dtype=np.int64)
    done = 0

    def score(i: int) -> None:
        nonlocal done
        for start in range(0, len(partners[i]), 64):  # bounds the memory
            others = partners[i][start : start + 64]
            cosines = np.matmul(blocks[i], blocks[others].transpose(0, 2, 1))
            scores[i, others] = mutual_matches(cosines)[1].sum(axis=1)
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


def _every(n: int) -> list[tuple[int, int]]:
    return [(i, j) for i in range(n) for j in range(i + 1, n)]


def _steps(neighbours: int) -> list[int]:
    """Distances in a sequence: all small ones, then powers of two, which bridge a few blurred frames."""
    near = max(2, neighbours // 2)
    return [*range(1, near + 1), *(2**power for power in range(10) if near < 2**power <= 4 * near)]
