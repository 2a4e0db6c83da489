"""Photos, and what is known of their depth, at smaller sizes: each pixel the mean of what it covers."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.types import DepthMap, Picture

__all__ = ["shrink", "shrink_depth"]


def shrink(picture: Picture, *, width: int, height: int) -> Picture:
    """The picture at a smaller size, each pixel the mean over the area it covers; colours weigh by their alpha."""
    rgb = picture.rgb.permute(2, 0, 1).float()
    mask = None if picture.mask is None else _area(picture.mask.float()[None], width, height)[0]
    if picture.alpha is None:
        return Picture(_bytes(_area(rgb, width, height)).permute(1, 2, 0), mask=None if mask is None else _bytes(mask))
    alpha = picture.alpha.float()[None] / 255
    covered = _area(alpha, width, height)
    colour = _area(rgb * alpha, width, height) / covered.clamp(min=1e-6)
    small = Picture(_bytes(colour).permute(1, 2, 0), alpha=_bytes(covered[0] * 255))
    return small if mask is None else replace(small, mask=_bytes(mask))


def shrink_depth(depth: DepthMap, *, width: int, height: int) -> DepthMap:
    """Each pixel the mean inverse depth of the area it covers, by confidence."""
    both = torch.stack([depth.inverse * depth.confidence, depth.confidence])
    inverse, confidence = _area(both, width, height)
    return DepthMap(inverse / confidence.clamp(min=1e-6), confidence, depth.kind)


def _area(planes: Float[Tensor, "c h w"], width: int, height: int) -> Float[Tensor, "c h2 w2"]:
    return interpolate(planes[None], size=(height, width), mode="area")[0]


def _bytes(values: Tensor) -> UInt8[Tensor, "..."]:
    return values.round().clamp(0, 255).to(torch.uint8)
