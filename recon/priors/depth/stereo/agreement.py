"""Which depths several photos agree on. Source: Galliani et al. 2015 (Gipuma), section 3.4; MVSNet, section 4.2."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.ops.patch_match import pixel_map
from recon.types import Cameras

__all__ = ["Agreement", "agreement"]


@dataclass(frozen=True)
class Agreement:
    """Of one photo with its neighbours."""

    count: Int[Tensor, "h w"]
    """Neighbours whose depth agrees."""
    inverse: Float[Tensor, "h w"]
    """Mean inverse depth, in this photo, of it and of those that agree."""


def agreement(
    camera: Cameras,
    inverse: Float[Tensor, "h w"],
    others: Sequence[tuple[Cameras, Float[Tensor, "_ _"]]],
    *,
    pixels: float,
    share: float,
) -> Agreement:
    """Neighbours agree where the way to their surface and back ends within `pixels`, at a depth within `share`.

    `others` are neighbours' cameras and inverse depths, 0 where unknown.
    """
    height, width = inverse.shape
    rows, columns = (torch.arange(side, device=inverse.device) + 0.5 for side in (height, width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    count = torch.zeros(height, width, dtype=torch.int64, device=inverse.device)
    total = inverse.clone()
    for other, theirs in others:
        u, v, ahead = _moved(pixel_map(camera, other), x, y, inverse)
        high, wide = theirs.shape
        inside = (ahead > 1e-6) & (u >= 0) & (v >= 0) & (u < wide) & (v < high)
        column, row = u.nan_to_num().clamp(0, wide - 1).long(), v.nan_to_num().clamp(0, high - 1).long()
        surface = theirs[row, column]
        back_x, back_y, behind = _moved(pixel_map(other, camera), u, v, surface)
        mine = surface / behind.clamp(min=1e-6)
        near = (back_x - x).square() + (back_y - y).square() <= pixels**2
        agrees = inside & (surface > 0) & (behind > 1e-6) & near & ((mine / inverse - 1).abs() <= share)
        count += agrees
        total += torch.where(agrees, mine, 0)
    return Agreement(count, total / (1 + count))


def _moved(map: Float[Tensor, "12"], x: Tensor, y: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel there, and depth there as a share of that here."""
    m = map.to(x)
    across, down, ahead = (m[3 * i] * x + m[3 * i + 1] * y + m[3 * i + 2] + m[9 + i] * inverse for i in range(3))
    safe = ahead.clamp(min=1e-6)
    return across / safe, down / safe, ahead
