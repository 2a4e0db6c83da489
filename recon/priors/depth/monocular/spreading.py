"""A few known values spread over the whole picture: each pixel takes them from the finest level that knows any.

Source: Gortler et al. 1996, push-pull.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["filled"]

_ENOUGH = 0.25
"""A mean over a cell counts fully from so much weight in it."""


def filled(values: Float[Tensor, "b 1 h w"], weights: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 h w"]:
    """`values` where `weights` (0 to 1) are 1, their surroundings' mean elsewhere, 0 where there is none at all."""
    height, width = values.shape[-2:]
    if min(height, width) < 2:
        total = weights.sum(dim=(-2, -1), keepdim=True)
        mean = (values * weights).sum(dim=(-2, -1), keepdim=True) / total.clamp(min=1e-6)
        return weights * values + (1 - weights) * mean
    pooled = F.avg_pool2d(weights, 2, ceil_mode=True, count_include_pad=False)
    coarse = F.avg_pool2d(values * weights, 2, ceil_mode=True, count_include_pad=False) / pooled.clamp(min=1e-6)
    around = filled(coarse, (pooled / _ENOUGH).clamp(max=1))
    around = F.interpolate(around, size=(height, width), mode="bilinear", align_corners=False)
    return weights * values + (1 - weights) * around
