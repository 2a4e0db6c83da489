"""What matters in splats that nobody has cameras for."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from recon.types import Gaussians

__all__ = ["guessed_weights"]


def guessed_weights(gaussians: Gaussians) -> Float[Tensor, "g"]:
    """Without cameras: opacity times the area of the largest silhouette, where size counts up to the hundredth largest.

    The few Gaussians that are larger than that are backgrounds or mistakes, and would hide all others.
    """
    if len(gaussians) == 0:
        return torch.zeros(0)
    sizes = gaussians.log_scales.sort(dim=1).values
    area = sizes[:, 1] + sizes[:, 2]
    most = area.sort().values[int(0.99 * (len(area) - 1))]
    return gaussians.opacity_logits.sigmoid() * area.clamp(max=float(most)).exp()
