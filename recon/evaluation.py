"""How like the photos a model's renders are: PSNR and SSIM of each view, and their means over views."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.photometric import ssim_map
from recon.types import Metrics, Picture, Renderer, Scene, ViewScore

__all__ = ["evaluate", "photo_over_background", "psnr", "ssim"]

_BEST_PSNR = 100.0
"""Given for identical images, so that means stay finite."""


def evaluate(model: Renderer, scene: Scene, indices: Iterable[int]) -> Metrics:
    """Score these views of the scene. `seconds_per_frame` is the time to render, not to compare.

    Photos with transparency are compared over white, as the rendered data sets do; all others over black, which is what
    empty space looks like in training. Where a mask says so, pixels do not count. Colours are clamped to 0..1.
    """
    scores, seconds = [], 0.0
    for index in indices:
        camera, picture = scene.cameras[index], scene.images[index]
        background = torch.full((3,), 0.0 if picture.alpha is None else 1.0)
        started = time.perf_counter()
        render = model.render(camera)
        seconds += time.perf_counter() - started
        image = render.over(background).clamp(0, 1)
        target = photo_over_background(picture, background)
        weight = None if picture.mask is None else picture.mask.float() / 255
        scores.append(ViewScore(scene.names[index], psnr(image, target, weight), ssim(image, target, weight)))
    count = len(scores)
    if count == 0:
        return Metrics(math.nan, math.nan, (), math.nan)
    return Metrics(
        psnr=sum(score.psnr for score in scores) / count,
        ssim=sum(score.ssim for score in scores) / count,
        views=tuple(scores),
        seconds_per_frame=seconds / count,
    )


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
