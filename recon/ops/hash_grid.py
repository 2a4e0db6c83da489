"""Multiresolution hash encoding: features of a position, interpolated in grids whose vertices share a table.

Letters: `n` samples, `e` table entries, `l` levels, `f` = 2 l features. Positions lie in the unit cube. A level of
resolution N has its vertices at (i - 1/2) / N; where all (N + 2)^3 of them fit into a table of its size they are
stored one by one, else hashed.
Sources: Mueller et al. 2022 (instant-ngp), section 3; the weights of the levels are those of Barron et al. 2023
(Zip-NeRF), section 3: erf(1 / sqrt(8 sigma^2 N^2)) for a sample of standard deviation sigma.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.ops.device import kernel

__all__ = ["HashGrid", "hash_encode", "hash_encode_reference"]

_PRIMES = (1, 2654435761, 805459861)
_LINE = 8
"""Levels begin at multiples of this many entries: a cache line."""


@dataclass(frozen=True)
class HashGrid:
    """The shape of an encoding. Two features a level; resolutions grow by the same factor from level to level."""

    levels: int = 16
    log2_entries: int = 19
    """Most entries a level may have. 2^19 of them take 4 MB."""
    coarsest: int = 16
    finest: int = 2048
    """Cells along the cube's side, of the first and the last level."""

    @cached_property
    def resolutions(self) -> tuple[int, ...]:
        growth = (self.finest / self.coarsest) ** (1 / max(self.levels - 1, 1))
        return tuple(round(self.coarsest * growth**level) for level in range(self.levels))

    def is_dense(self, level: int) -> bool:
        return (self.resolutions[level] + 2) ** 3 <= 2**self.log2_entries

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each level begins among the entries, and where the last one ends."""
        ends = [0]
        for level, resolution in enumerate(self.resolutions):
            size = (resolution + 2) ** 3 if self.is_dense(level) else 2**self.log2_entries
            ends.append(ends[-1] + -(-size // _LINE) * _LINE)
        return tuple(ends)

    @property
    def entries(self) -> int:
        return self.offsets[-1]

    @property
    def features(self) -> int:
        return 2 * self.levels

    def tables(self, generator: torch.Generator | None = None) -> Float[Tensor, "e 2"]:
        """Where training begins: uniform within 1e-4 of zero, as instant-ngp does."""
        return (torch.rand(self.entries, 2, generator=generator) * 2 - 1) * 1e-4


def hash_encode(
    positions: Float[Tensor, "n 3"],
    tables: Float[Tensor, "e 2"],
    *,
    grid: HashGrid,
    sigmas: Float[Tensor, "n"] | None = None,
    table_grad: Float[Tensor, "e 2"] | None = None,
) -> Float[Tensor, "n f"]:
    """Features of positions, level by level. Differentiable in `positions` and `tables`.

    `sigmas` fade out the levels that are finer than a sample is wide. Positions outside the unit cube count as the
    nearest ones inside. Where `table_grad` is given, the gradient of `tables` is added to it on the way back, and
    autograd gets none: see `recon.ops.sparse_adam`.
    """
    if sigmas is not None and sigmas.requires_grad:
        raise NotImplementedError("The hash encoding has no gradient in the samples' widths.")
    return _HashEncode.apply(positions, tables, grid, sigmas, table_grad)


class _HashEncode(torch.autograd.Function):
    @staticmethod
    def forward(ctx, positions, tables, grid, sigmas, table_grad):
        planar, features = positions.T.contiguous(), positions.new_empty(grid.features, len(positions))
        encode = kernel("hash_encode", planar, sigmas, tables)
        encode(grid.resolutions, grid.offsets, planar, sigmas, tables.detach(), features)
        ctx.save_for_backward(planar, tables, sigmas)
        ctx.grid, ctx.table_grad = grid, table_grad
        return features.T

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        planar, tables, sigmas = ctx.saved_tensors
        of_positions, of_tables = hash_backward(
            *(planar, tables, sigmas, grads[0].T.contiguous(), ctx.table_grad),
            grid=ctx.grid,
            wanted=(ctx.needs_input_grad[0], ctx.needs_input_grad[1]),
        )
        return of_positions, of_tables, None, None, None


def hash_backward(
    planar: Float[Tensor, "3 n"],
    tables: Float[Tensor, "e 2"],
    sigmas: Float[Tensor, "n"] | None,
    grads: Float[Tensor, "f n"],
    table_grad: Float[Tensor, "e 2"] | None,
    *,
    grid: HashGrid,
    wanted: tuple[bool, bool],
) -> tuple[Float[Tensor, "n 3"] | None, Float[Tensor, "e 2"] | None]:
    """Gradients of positions and tables where `wanted`; the second is added to `table_grad` where there is one."""
    of_positions = torch.empty_like(planar) if wanted[0] else None
    of_tables = torch.zeros_like(tables) if table_grad is None and wanted[1] else table_grad
    size = kernel("hash_workspace", planar)(grid.resolutions, grid.offsets, planar.shape[1])
    kernel("hash_backward", planar, tables, sigmas, grads, of_tables)(
        *(grid.resolutions, grid.offsets, planar, sigmas, tables.detach(), grads),
        *(of_tables, of_positions, planar.new_empty(0 if of_tables is None else size)),
    )
    return None if of_positions is None else of_positions.T, of_tables if table_grad is None else None


def hash_encode_reference(
    positions: Float[Tensor, "n 3"],
    tables: Float[Tensor, "e 2"],
    *,
    grid: HashGrid,
    sigmas: Float[Tensor, "n"] | None = None,
) -> Float[Tensor, "n f"]:
    """`hash_encode`, written to be read, for any floating type."""
    inside = positions.clamp(0, 1)
    features = []
    for level, resolution in enumerate(grid.resolutions):
        scaled = inside * resolution + 0.5
        base = scaled.detach().floor()
        towards = scaled - base
        total = torch.zeros(len(positions), 2, dtype=tables.dtype)
        for corner in range(8):
            offset = torch.tensor([corner & 1, corner >> 1 & 1, corner >> 2 & 1])
            weight = torch.where(offset == 1, towards, 1 - towards).prod(dim=1)
            entries = grid.offsets[level] + _entry(base.long() + offset, grid, level)
            total = total + weight[:, None] * tables[entries]
        if sigmas is not None:
            total = total * torch.erf(1 / (math.sqrt(8) * sigmas * resolution))[:, None]
        features.append(total)
    return torch.cat(features, dim=1)


def _entry(vertex: Int[Tensor, "n 3"], grid: HashGrid, level: int) -> Int[Tensor, "n"]:
    """Place of a vertex within its level's table."""
    if grid.is_dense(level):
        side = grid.resolutions[level] + 2
        return (vertex * torch.tensor([1, side, side * side])).sum(dim=1)
    x, y, z = (vertex * torch.tensor(_PRIMES)).unbind(dim=1)
    return (x ^ y ^ z) & (2**grid.log2_entries - 1)
