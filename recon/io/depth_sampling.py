"""A depth map, of any resolution and lens, as a pinhole camera sees it. Inverse: surfaces are even in that."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.io.undistort import Pinhole, sample_linear, sample_nearest
from recon.types import Lens

__all__ = ["even", "inverse_seen"]

_BENT = 0.02
"""Where inverse depth is off the line through the pixels beside it by this share, another surface begins."""


def inverse_seen(depth: Float[Tensor, "h w"], lens: Lens, pinhole: Pinhole) -> Float[Tensor, "v u"]:
    """One over the depth, 0 where it is not known: between pixels of one surface linear, which planes are; else the
    nearest's, for nothing lies between two surfaces."""
    inverse = torch.where(depth > 0, 1 / torch.where(depth > 0, depth, 1), 0)
    linear, nearest = sample_linear(inverse, lens, pinhole), sample_nearest(inverse, lens, pinhole)
    one_surface = sample_linear(even(depth).float(), lens, pinhole) > 0.999
    return torch.where(one_surface & (nearest > 0), linear, nearest)


def even(depth: Float[Tensor, "h w"]) -> Bool[Tensor, "h w"]:
    """Where one surface goes on in the pixels beside it: at its ends, sensors see a mixture of both."""
    known = depth > 0
    inverse = torch.where(known, 1 / torch.where(known, depth, 1), torch.inf)
    result = known.clone()
    for axis in (0, 1):
        size = depth.shape[axis] - 2
        if size < 1:
            return torch.zeros_like(known)
        before, middle, after = (inverse.narrow(axis, start, size) for start in (0, 1, 2))
        straight = (before + after - 2 * middle).abs() <= _BENT * middle  # infinite beside what is not known
        result.narrow(axis, 1, size).logical_and_(straight)
    return result
