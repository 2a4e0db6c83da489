"""A hash-grid radiance field in plain torch, as one would write it to be quick: what ours is measured against.

A table for each level and one look-up for its eight corners (`embedding`, whose backward is torch's own parallel one),
linear layers, and everything else on whole tensors.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from recon.ops.hash_grid import HashGrid

__all__ = ["torch_field"]

CORNERS = torch.tensor([[i & 1, i >> 1 & 1, i >> 2 & 1] for i in range(8)])
PRIMES = torch.tensor([1, 2654435761, 805459861])


def torch_field(
    positions: Float[Tensor, "n 3"],
    tables: Sequence[Tensor],
    known: Float[Tensor, "n d"],
    density_weights: Sequence[Tensor],
    colour_weights: Sequence[Tensor],
    grid: HashGrid,
) -> tuple[Tensor, Tensor]:
    """Density and colour before any activation; `tables` has one `[e 2]` for each level."""
    encoded = torch.cat([encode(positions, table, grid, level) for level, table in enumerate(tables)], dim=1)
    geometry = network(encoded, density_weights)
    return geometry[:, 0], network(torch.cat([known, geometry], dim=1), colour_weights)


def encode(positions: Float[Tensor, "n 3"], table: Tensor, grid: HashGrid, level: int) -> Float[Tensor, "n 2"]:
    scaled = positions * grid.resolutions[level] + 0.5
    base = scaled.floor()
    towards = (scaled - base)[:, None]
    weights = torch.where(CORNERS.bool(), towards, 1 - towards).prod(dim=2)
    return (weights[..., None] * F.embedding(entries(base.long()[:, None] + CORNERS, grid, level), table)).sum(dim=1)


def entries(vertices: Int[Tensor, "n 8 3"], grid: HashGrid, level: int) -> Int[Tensor, "n 8"]:
    if grid.is_dense(level):
        side = grid.resolutions[level] + 2
        return vertices[..., 0] + side * (vertices[..., 1] + side * vertices[..., 2])
    x, y, z = (vertices * PRIMES).unbind(dim=-1)
    return (x ^ y ^ z) & (2**grid.log2_entries - 1)


def network(values: Tensor, weights: Sequence[Tensor]) -> Tensor:
    for weight in weights[:-1]:
        values = F.relu(F.linear(values, weight))
    return F.linear(values, weights[-1])
