"""Which pinhole camera stands for a lens at working resolution, and the picture that it sees.

The pinhole keeps the orientation of the lens and shows the largest rectangle all of whose pixels the lens saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recon.errors import InputError
from recon.io.lens import focal_and_center, is_pinhole, pixels_of
from recon.types import Lens

__all__ = ["Pinhole", "pinhole_of", "sample_linear", "sample_nearest", "warp"]

_WIDEST = 3**0.5  # tangent of half the widest field of view, 120 degrees: beyond, a plane stretches too much
_STEPS = 25
_LEAST = 4.0  # pixels of the photo, a side: no camera that shows less was calibrated


@dataclass(frozen=True)
class Pinhole:
    width: int
    height: int
    focal: tuple[float, float]
    center: tuple[float, float]


def pinhole_of(lens: Lens, longest_side: int | None) -> Pinhole:
    """The pinhole whose longest side is `longest_side` pixels, but never finer than the photo; None: as fine."""
    focal, _ = focal_and_center(lens)
    left, top, right, bottom = _directions(lens) if is_pinhole(lens) else _valid_directions(lens)
    across, down = (right - left) * focal[0], (bottom - top) * focal[1]
    if not min(across, down) >= _LEAST:
        raise InputError(
            f"The {lens.model} camera of {lens.width} x {lens.height} pixels distorts so much that nothing of its "
            "photos can be shown straight.",
            advice="Correct its distortion and centre, or leave out its photos.",
        )
    shrink = min(1.0, (longest_side or 1e9) / max(across, down))
    width, height = max(1, round(across * shrink)), max(1, round(down * shrink))
    fx, fy = width / (right - left), height / (bottom - top)
    return Pinhole(width, height, (fx, fy), (-left * fx, -top * fy))


def warp(picture: Float[Tensor, "c h w"], lens: Lens, pinhole: Pinhole, finer: int) -> Float[Tensor, "c v u"]:
    """What the pinhole sees, given what the lens saw at any resolution; averaged from `finer` samples a side per pixel.

    Between pixels cubic for one sample; linear, four times as fast, for more, which blurs less than their mean does.
    """
    grid = _grid(lens, pinhole, finer)
    mode = "bicubic" if finer == 1 else "bilinear"
    sampled = functional.grid_sample(picture[None], grid, mode=mode, padding_mode="border", align_corners=False)
    return functional.avg_pool2d(sampled, finer)[0]


def sample_nearest(map: Float[Tensor, "h w"], lens: Lens, pinhole: Pinhole) -> Float[Tensor, "v u"]:
    """The value of `map`, seen by the lens at any resolution, nearest to each pixel of the pinhole, unmixed."""
    return _sample(map, lens, pinhole, "nearest", "zeros")


def sample_linear(map: Float[Tensor, "h w"], lens: Lens, pinhole: Pinhole) -> Float[Tensor, "v u"]:
    """Linear between the values around; outside of `map`, those of its border."""
    return _sample(map, lens, pinhole, "bilinear", "border")


def _sample(map: Tensor, lens: Lens, pinhole: Pinhole, mode: str, outside: str) -> Float[Tensor, "v u"]:
    grid = _grid(lens, pinhole, 1)
    sampled = functional.grid_sample(map[None, None], grid, mode=mode, padding_mode=outside, align_corners=False)
    return sampled[0, 0]


@lru_cache(maxsize=4)
def _grid(lens: Lens, pinhole: Pinhole, finer: int) -> Float[Tensor, "1 y x 2"]:
    """For each sample of the pinhole, where the lens shows it, as -1..1 from border to border."""
    x = ((np.arange(pinhole.width * finer) + 0.5) / finer - pinhole.center[0]) / pinhole.focal[0]
    y = ((np.arange(pinhole.height * finer) + 0.5) / finer - pinhole.center[1]) / pinhole.focal[1]
    pixels = pixels_of(lens, np.stack(np.meshgrid(x, y), axis=-1))
    return torch.from_numpy(2 * pixels / np.array([lens.width, lens.height]) - 1).float()[None]


def _directions(lens: Lens) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of the picture as directions, if the lens did not distort."""
    (fx, fy), (cx, cy) = focal_and_center(lens)
    return -cx / fx, -cy / fy, (lens.width - cx) / fx, (lens.height - cy) / fy


def _valid_directions(lens: Lens) -> tuple[float, float, float, float]:
    """The rectangle of directions that the lens shows: first grown around the centre, then side by side."""
    sides = np.array(_directions(lens))
    sides = sides * _largest(lambda factor: _is_seen(lens, sides * factor), 0.0, 2.0)
    for side in (0, 2, 1, 3):
        stretch = np.eye(4)[side]
        sides = sides * (1 + stretch * _largest(lambda more: _is_seen(lens, sides * (1 + stretch * more)), 0.0, 2.0))  # noqa: B023 - called at once
    return tuple(sides.tolist())


def _is_seen(lens: Lens, sides: Float[np.ndarray, "4"]) -> bool:
    """Does the lens show every direction in the rectangle, without folding over?"""
    if np.abs(sides).max() > _WIDEST:
        return False
    x, y = np.linspace(sides[0], sides[2], _STEPS), np.linspace(sides[1], sides[3], _STEPS)
    with np.errstate(all="ignore"):  # what is no number is not inside
        pixels = pixels_of(lens, np.stack(np.meshgrid(x, y), axis=-1))
    inside = (pixels >= 0).all() and (pixels <= [lens.width, lens.height]).all()
    return bool(inside and (np.diff(pixels[..., 0], axis=1) > 0).all() and (np.diff(pixels[..., 1], axis=0) > 0).all())


def _largest(holds: Callable[[float], bool], low: float, high: float) -> float:
    """The largest number for which `holds`, which holds below it, by bisection."""
    if holds(high):
        return high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
