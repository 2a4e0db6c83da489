"""How far relative inverse depth is from the truth, whatever its scale and shift.

Source: Ranftl et al. 2020 (MiDaS), equations 5 and 8 to 11; weighted so that what is far counts by its own depth.
"""

from __future__ import annotations

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["depth_loss"]

_FAR = 0.1
"""Weights grow as one over the inverse depth down to this, in those of the picture's nearest tenth."""
_GRADIENTS = 0.25
_SCALES = 4


def depth_loss(answer: Float[Tensor, "b 1 h w"], truth: Float[Tensor, "b 1 h w"]) -> Tensor:
    """Mean distance once both have median 0 and mean distance from it 1, and of its slopes on four scales."""
    error = _steady(answer.float()) - _steady(truth)
    weight = 1 / (truth + _FAR)
    weight = weight / weight.mean(dim=(1, 2, 3), keepdim=True)
    loss = (weight * error.abs()).mean()
    for scale in range(_SCALES):
        small, heavy = F.avg_pool2d(error, 2**scale), F.avg_pool2d(weight, 2**scale)
        down = (heavy[..., 1:, :] * (small[..., 1:, :] - small[..., :-1, :]).abs()).mean()
        right = (heavy[..., 1:] * (small[..., 1:] - small[..., :-1]).abs()).mean()
        loss = loss + _GRADIENTS * (down + right)
    return loss


def _steady(values: Tensor) -> Tensor:
    middle = values.flatten(1).median(dim=1).values[:, None, None, None]
    away = values - middle
    return away / away.abs().mean(dim=(1, 2, 3), keepdim=True).clamp(min=1e-4)
