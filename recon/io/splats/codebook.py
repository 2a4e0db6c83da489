"""Few values that stand for many: codebooks of numbers and palettes of vectors, by k-means. torch on the CPU.

Source: Lloyd 1982. Palettes are found in two levels, clusters of clusters, which costs a root of what one level would.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

__all__ = ["codebook", "palette"]

_BINS = 1 << 14
_ROUNDS = 24
_VECTOR_ROUNDS = 6
_ONE_LEVEL = 1024
_AT_ONCE = 1 << 24
"""Distances held at a time."""


def codebook(
    values: Float[np.ndarray, "*n"], levels: int, *, size: int = 256
) -> tuple[Float[np.ndarray, "size"], UInt8[np.ndarray, "*n"]]:
    """The `levels` numbers that stand for `values` with the least square error, ascending, and which stands for each.

    The last number is repeated up to `size`.
    """
    flat = values.astype(np.float64).ravel()
    if len(flat) == 0:
        return np.zeros(size, dtype=np.float32), np.zeros(values.shape, dtype=np.uint8)
    low, high = float(flat.min()), float(flat.max())
    counts, edges = np.histogram(flat, bins=_BINS, range=(low, high if high > low else low + 1))
    middles = (edges[:-1] + edges[1:]) / 2
    seen = np.concatenate([[0], np.cumsum(counts)])
    total = np.concatenate([[0], np.cumsum(counts * middles)])
    density = np.cbrt(counts) / np.cbrt(counts).sum()  # the best one of levels is a cube root's
    spread = np.cumsum(0.8 * density + 0.2 / _BINS)  # but the rare large ones must not be far from a level
    centers = np.interp((np.arange(levels) + 0.5) / levels, spread, middles)
    for _ in range(_ROUNDS):
        bounds = np.searchsorted(middles, (centers[1:] + centers[:-1]) / 2)
        first, last = np.concatenate([[0], bounds]), np.concatenate([bounds, [_BINS]])
        inside = seen[last] - seen[first]
        centers = np.where(inside > 0, (total[last] - total[first]) / np.maximum(inside, 1), centers)
    centers = np.sort(centers).astype(np.float32)
    labels = np.searchsorted((centers[1:] + centers[:-1]) / 2, flat.astype(np.float32))
    return np.pad(centers, (0, size - levels), mode="edge"), labels.astype(np.uint8).reshape(values.shape)


def palette(
    vectors: Float[Tensor, "n d"], weights: Float[Tensor, "n"], count: int
) -> tuple[Float[Tensor, "c d"], Int[Tensor, "n"]]:
    """At most `count` vectors that stand for all with little weighted square error, and which stands for each."""
    if count <= _ONE_LEVEL or len(vectors) <= count:
        return _kmeans(vectors, weights, min(count, len(vectors)), seed=0)
    rough, group = _kmeans(vectors, weights, max(2, round((count / 4) ** 0.5)), seed=0)
    errors = torch.zeros(len(rough)).index_add_(0, group, weights * (vectors - rough[group]).square().sum(dim=1))
    shares = errors.sqrt() * torch.bincount(group, minlength=len(rough)).float().sqrt()
    wanted = (shares / shares.sum().clamp(min=1e-30) * count).long().clamp(min=1)
    centers, labels, start = [], torch.empty(len(vectors), dtype=torch.long), 0
    for index in range(len(rough)):
        members = (group == index).nonzero()[:, 0]
        if len(members) == 0:
            continue
        some, inside = _kmeans(vectors[members], weights[members], min(int(wanted[index]), len(members)), seed=index)
        labels[members] = inside + start
        centers.append(some)
        start += len(some)
    return torch.cat(centers), labels


def _kmeans(
    vectors: Float[Tensor, "n d"], weights: Float[Tensor, "n"], count: int, *, seed: int
) -> tuple[Float[Tensor, "c d"], Int[Tensor, "n"]]:
    """Lloyd's rounds from members drawn by weight; centers that nobody is nearest to stay where they are."""
    draw = torch.Generator().manual_seed(seed)
    chance = (weights + 1e-12 * weights.max() + 1e-30).double()
    if len(chance) < 1 << 24:  # torch draws from no more
        centers = vectors[torch.multinomial(chance, count, generator=draw)].clone()
    else:
        centers = vectors[torch.randperm(len(vectors), generator=draw)[:count]].clone()
    labels = _nearest(vectors, centers)
    for _ in range(_VECTOR_ROUNDS):
        mass = torch.zeros(count).index_add_(0, labels, weights)
        sums = torch.zeros_like(centers).index_add_(0, labels, vectors * weights[:, None])
        centers = torch.where(mass[:, None] > 0, sums / mass[:, None].clamp(min=1e-30), centers)
        labels = _nearest(vectors, centers)
    return centers, labels


def _nearest(vectors: Float[Tensor, "n d"], centers: Float[Tensor, "c d"]) -> Int[Tensor, "n"]:
    lengths = centers.square().sum(dim=1)
    step = max(1, _AT_ONCE // len(centers))
    parts = [torch.addmm(lengths, some, centers.T, alpha=-2).argmin(dim=1) for some in vectors.split(step)]
    return torch.cat(parts)
