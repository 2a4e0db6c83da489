"""How much two images are alike: PSNR and SSIM, over all pixels or weighted ones. Images are 0 to 1."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.photometric import ssim_map
from recon.types import Picture

__all__ = ["photo_over_background", "psnr", "ssim"]

_BEST_PSNR = 100.0
"""Given for identical images, so that means stay finite."""


def photo_over_background(picture: Picture, background: Float[Tensor, "3"]) -> Float[Tensor, "h w 3"]:
    """The photo as a render of it should look, 0 to 1."""
    rgb = picture.rgb.float() / 255
    if picture.alpha is None:
        return rgb
    alpha = picture.alpha.float()[..., None] / 255
    return rgb * alpha + background * (1 - alpha)


def psnr(
    image: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], weight: Float[Tensor, "h w"] | None = None
) -> float:
    """Peak signal-to-noise ratio in dB over pixels with weight, peak 1; NaN where no pixel has weight."""
    square = (image.double() - target.double()).square().mean(dim=-1)
    error = float(square.mean() if weight is None else (square * weight).sum() / weight.sum())
    return _BEST_PSNR if error == 0 else min(-10 * math.log10(error), _BEST_PSNR)


def ssim(
    image: Float[Tensor, "h w 3"], target: Float[Tensor, "h w 3"], weight: Float[Tensor, "h w"] | None = None
) -> float:
    """Structural similarity, 11x11 Gaussian window. Source: Wang et al. 2004.

    Pixels without weight are taken from the target on both sides and count for nothing in the mean.
    """
    if weight is None:
        weight = torch.ones(image.shape[:2])
    image = torch.lerp(target, image, weight[..., None])
    likeness = ssim_map(image.permute(2, 0, 1), target.permute(2, 0, 1)).mean(dim=0)
    return float((likeness * weight).sum() / weight.sum())
