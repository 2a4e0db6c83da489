"""Photos that show the same place, found by their local descriptors: VLAD, its vocabulary learned from the set.

Letters: `k` descriptors of a photo, `d` numbers of each, `w` words of the vocabulary, `n` photos.
Sources: Jégou et al. 2010, "Aggregating local descriptors into a compact image representation"; roots and per-word
lengths: Arandjelović and Zisserman 2012 and 2013, "Three things everyone should know" and "All about VLAD".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Real

__all__ = ["Vocabulary", "nearest", "pairs_of", "rooted"]

_WORDS = 64
_SAMPLE = 20_000
"""Descriptors that a vocabulary is learned from."""
_ROUNDS = 15


@dataclass(frozen=True)
class Vocabulary:
    """Centres that descriptors gather around."""

    words: Float[np.ndarray, "w d"]

    @staticmethod
    def learn(descriptors: Sequence[Float[np.ndarray, "_ d"]], *, words: int = _WORDS, seed: int = 0) -> Vocabulary:
        """By k-means, over a sample of all photos' descriptors. Never more words than distinct descriptors."""
        rng = np.random.default_rng(seed)
        share = min(1.0, _SAMPLE / max(sum(map(len, descriptors)), 1))
        some = [one[rng.permutation(len(one))[: int(np.ceil(share * len(one)))]] for one in descriptors]
        points = np.concatenate(some).astype(np.float32)
        distinct = np.unique(points, axis=0)
        centres = distinct[rng.permutation(len(distinct))[:words]]
        for _ in range(_ROUNDS):
            nearest_word = _nearest_word(points, centres)
            counts = np.bincount(nearest_word, minlength=len(centres))[:, None]
            centres = np.where(counts > 0, _sums(points, nearest_word, len(centres)) / np.maximum(counts, 1), centres)
        return Vocabulary(centres)

    def describe(self, descriptors: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "wd"]:
        """A unit vector for a photo: how its descriptors differ from the words, word by word. Zeros without any."""
        sums = np.zeros_like(self.words)
        if len(descriptors) > 0 and len(self.words) > 0:
            word = _nearest_word(descriptors, self.words)
            sums = _sums(descriptors - self.words[word], word, len(self.words))
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        sums /= np.maximum(lengths, 1e-12)  # a brick wall's one word must not drown the others
        vector = sums.ravel()
        return vector / max(float(np.linalg.norm(vector)), 1e-12)


def rooted(descriptors: Real[np.ndarray, "k d"]) -> Float[np.ndarray, "k d"]:
    """Square roots of histograms of sum 1: then a scalar product compares them as distributions (Hellinger)."""
    histograms = np.asarray(descriptors, dtype=np.float32)
    return np.sqrt(histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1e-12))


def nearest(vectors: Float[np.ndarray, "n e"], count: int) -> tuple[Int[np.ndarray, "n c"], Float[np.ndarray, "n c"]]:
    """For each photo the `count` others whose vectors are most alike, best first, and their cosines."""
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -np.inf)
    found = np.argsort(-cosines, axis=1, kind="stable")[:, : min(count, len(vectors) - 1)]
    return found, np.take_along_axis(cosines, found, axis=1)


def pairs_of(vectors: Float[np.ndarray, "n e"], count: int) -> list[tuple[int, int]]:
    """Pairs (i, j), i < j, of photos of which one is among the other's `count` nearest; the most alike first."""
    found, cosines = nearest(vectors, count)
    best: dict[tuple[int, int], float] = {}
    for i, (others, values) in enumerate(zip(found.tolist(), cosines.tolist(), strict=True)):
        for j, value in zip(others, values, strict=True):
            best[min(i, j), max(i, j)] = value
    return sorted(best, key=lambda pair: (-best[pair], pair))


def _sums(rows: Float[np.ndarray, "k d"], word: Int[np.ndarray, "k"], words: int) -> Float[np.ndarray, "w d"]:
    """Of the rows of each word."""
    sums = np.zeros((words, rows.shape[1]), dtype=rows.dtype)
    order = np.argsort(word, kind="stable")
    filled, starts = np.unique(word[order], return_index=True)
    if len(filled) > 0:
        sums[filled] = np.add.reduceat(rows[order], starts, axis=0)
    return sums


def _nearest_word(points: Float[np.ndarray, "k d"], words: Float[np.ndarray, "w d"]) -> Int[np.ndarray, "k"]:
    half = 0.5 * np.square(words).sum(axis=1)
    return np.argmax(points @ words.T - half, axis=1)
