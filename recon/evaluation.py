"""How like the photos a model's renders are: PSNR and SSIM of each view, and their means over views."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from recon.likeness import photo_over_background, psnr, ssim
from recon.types import Metrics, Picture, Renderer, Scene, ViewScore

__all__ = ["evaluate", "psnr_of_flat_colour"]


def evaluate(model: Renderer, scene: Scene, indices: Iterable[int]) -> Metrics:
    """Score these views of the scene. `seconds_per_frame` is the time to render, not to compare.

    Photos with transparency are compared over white, as the rendered data sets do; all others over black, which is what
    empty space looks like in training. Where a mask says so, pixels do not count. Colours are clamped to 0..1.
    """
    scores, seconds = [], 0.0
    for index in indices:
        camera, picture = scene.cameras[index], scene.images[index]
        background = _background(picture)
        started = time.perf_counter()
        render = model.render(camera)
        seconds += time.perf_counter() - started
        image = render.over(background).clamp(0, 1)
        target = photo_over_background(picture, background)
        weight = _weight(picture)
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


def psnr_of_flat_colour(scene: Scene, indices: Iterable[int]) -> float:
    """Mean PSNR of pictures that show nothing but the mean colour of each of these views: what is no reconstruction.

    NaN where there are no views.
    """
    scores = []
    for index in indices:
        picture = scene.images[index]
        target, weight = photo_over_background(picture, _background(picture)), _weight(picture)
        counted = torch.ones(target.shape[:2]) if weight is None else weight
        mean = (target * counted[..., None]).sum(dim=(0, 1)) / counted.sum()
        scores.append(psnr(mean.expand_as(target), target, weight))
    return sum(scores) / len(scores) if scores else math.nan


def _background(picture: Picture) -> Float[Tensor, "3"]:
    return torch.full((3,), 0.0 if picture.alpha is None else 1.0)


def _weight(picture: Picture) -> Float[Tensor, "h w"] | None:
    return None if picture.mask is None else picture.mask.float() / 255
