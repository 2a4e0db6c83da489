"""Gaussians as the kernels keep them: blocks of 16, structure of arrays inside a block.

`blocks [b c 16]`: plane `c` of block `b` holds one parameter of 16 Gaussians, so one vector load fetches it for all of
them. Gaussian `g` lives in block `g // 16`, lane `g % 16`. Plane order: means 3, log scales 3, quaternion wxyz 4,
opacity logit 1, spherical harmonics k x 3 (coefficient major, rgb inside). The lanes after the last Gaussian hold
invisible ones. "Rows" are the same numbers, one Gaussian a row: `[g c]`. Moments of an optimiser have the same layout,
padded by 0, be they floats or codes of a byte: what moves Gaussians about takes any type.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from recon.ops.device import gpu_kernels, stream_of
from recon.types import Gaussians

__all__ = [
    "COLOURS",
    "LANES",
    "LOG_SCALES",
    "MEANS",
    "OPACITIES",
    "QUATS",
    "append",
    "blocks_from_rows",
    "gather",
    "invisible_row",
    "morton_order",
    "pack",
    "planes_of",
    "remove",
    "rows",
    "unpack",
    "write",
]

LANES = 16
"""Gaussians in a block: one AVX-512 vector of floats."""

MEANS, LOG_SCALES, QUATS, OPACITIES, COLOURS = slice(0, 3), slice(3, 6), slice(6, 10), slice(10, 11), slice(11, None)


def planes_of(sh_degree: int) -> int:
    """Planes of a block whose colours have bands 0 to `sh_degree`."""
    return 11 + 3 * (sh_degree + 1) ** 2


def invisible_row(planes: int) -> Float[Tensor, "c"]:
    """A Gaussian that no kernel draws: what fills the last block. Its numbers are finite, so no gradient is NaN."""
    row = torch.zeros(planes)
    row[LOG_SCALES] = -10.0
    row[QUATS] = 1000.0
    row[OPACITIES] = -1e4
    return row


def pack(gaussians: Gaussians) -> Float[Tensor, "b c 16"]:
    """Blocks of these Gaussians, in their order."""
    colours = gaussians.sh.flatten(1)
    opacities = gaussians.opacity_logits[:, None]
    parts = [gaussians.means, gaussians.log_scales, gaussians.quats, opacities, colours]
    together = torch.cat(parts, dim=1).float()
    return blocks_from_rows(together, padding=invisible_row(together.shape[1]))


def unpack(blocks: Float[Tensor, "b c 16"], count: int, *, antialiased: bool = False) -> Gaussians:
    """The first `count` Gaussians of the blocks; the inverse of `pack`."""
    together = rows(blocks, count)
    return Gaussians(
        means=together[:, MEANS].contiguous(),
        quats=together[:, QUATS].contiguous(),
        log_scales=together[:, LOG_SCALES].contiguous(),
        opacity_logits=together[:, 10].contiguous(),
        sh=together[:, COLOURS].reshape(count, (blocks.shape[1] - 11) // 3, 3).contiguous(),
        antialiased=antialiased,
    )


def rows(blocks: Shaped[Tensor, "b c 16"], count: int) -> Shaped[Tensor, "g c"]:
    """The first `count` Gaussians, one a row."""
    return blocks.transpose(1, 2).reshape(len(blocks) * LANES, blocks.shape[1])[:count]


def blocks_from_rows(
    together: Shaped[Tensor, "g c"], *, padding: Shaped[Tensor, "c"] | None = None
) -> Shaped[Tensor, "b c 16"]:
    """Blocks of the rows; `padding` fills the lanes after the last (zeros when None)."""
    count, planes = together.shape
    missing = -count % LANES
    if missing > 0:
        filler = together.new_zeros(planes) if padding is None else padding.to(together)
        together = torch.cat([together, filler.expand(missing, planes)])
    return together.reshape(len(together) // LANES, LANES, planes).transpose(1, 2).contiguous()


def gather(blocks: Shaped[Tensor, "b c 16"], indices: Int[Tensor, "m"]) -> Shaped[Tensor, "m c"]:
    """Rows of the Gaussians at `indices`."""
    return blocks[indices // LANES, :, indices % LANES]


def write(
    blocks: Shaped[Tensor, "b c 16"], indices: Int[Tensor, "m"], together: Shaped[Tensor, "m c"] | Shaped[Tensor, "c"]
) -> None:
    """Replace the Gaussians at `indices`, in place."""
    blocks[indices // LANES, :, indices % LANES] = together


def append(
    blocks: Shaped[Tensor, "b c 16"],
    count: int,
    together: Shaped[Tensor, "m c"],
    *,
    padding: Shaped[Tensor, "c"] | None = None,
) -> Shaped[Tensor, "b2 c 16"]:
    """Blocks with more Gaussians after the first `count`; what the lanes after `count` held is lost."""
    total = count + len(together)
    needed = -(-total // LANES)
    if needed > len(blocks):
        new = torch.empty(needed - len(blocks), blocks.shape[1], LANES, dtype=blocks.dtype, device=blocks.device)
        blocks = torch.cat([blocks, new])
    else:
        blocks = blocks[:needed].clone()
    write(blocks, torch.arange(count, total, device=blocks.device), together)
    filler = blocks.new_zeros(blocks.shape[1]) if padding is None else padding.to(blocks)
    write(blocks, torch.arange(total, needed * LANES, device=blocks.device), filler)
    return blocks


def remove(
    blocks: Shaped[Tensor, "b c 16"], gone: Bool[Tensor, "g"], *, padding: Shaped[Tensor, "c"] | None = None
) -> Shaped[Tensor, "b2 c 16"]:
    """Blocks without the Gaussians that are `gone`, the others in their order."""
    return blocks_from_rows(rows(blocks, len(gone))[~gone], padding=padding)


def morton_order(means: Float[Tensor, "g 3"]) -> Int[Tensor, "g"]:
    """Indices that sort points along a Z curve over their bounding box, 1024 cells a side: neighbours share blocks.

    The box leaves out the farthest percent on each side, so that a few far points do not put all others in one cell.
    Source: Morton 1966; the bit spreading is the usual one for 10 bits.
    """
    if len(means) == 0:
        return torch.zeros(0, dtype=torch.long, device=means.device)
    low, high = _inner_range(means)
    kernels = gpu_kernels(means)
    if kernels is not None:
        keys = torch.empty(len(means), dtype=torch.long, device=means.device)
        kernels.cuda_morton_codes(means.contiguous(), low, high, keys, stream_of(means))
    else:
        keys = _morton_codes(means, low, high)
    return torch.sort(keys, stable=True).indices


def _morton_codes(means: Float[Tensor, "g 3"], low: Float[Tensor, "3"], high: Float[Tensor, "3"]) -> Int[Tensor, "g"]:
    cells = ((means - low) / (high - low).clamp(min=1e-12) * 1023.0).nan_to_num(0.0).clamp(0.0, 1023.0).long()
    for shift, keep in ((16, 0x030000FF), (8, 0x0300F00F), (4, 0x030C30C3), (2, 0x09249249)):
        cells = (cells | (cells << shift)) & keep
    return cells[:, 0] | (cells[:, 1] << 1) | (cells[:, 2] << 2)


def _inner_range(means: Float[Tensor, "g 3"]) -> tuple[Float[Tensor, "3"], Float[Tensor, "3"]]:
    ordered = means.sort(dim=0).values
    margin = len(means) // 100
    return ordered[margin], ordered[len(means) - 1 - margin]
