"""Descriptors by hand, on a grid: histograms of gradients around every cell at three sizes, and the colour there.

Source: Lowe 2004, section 6, without the search for places and without turning, as in Liu et al. 2011, "SIFT Flow".
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["CELL", "COLOURS", "HISTOGRAM", "SMALLEST", "dense_sift"]

CELL = 8
"""Pixels along a cell's side."""
_ANGLES = 8
_BINS = (4, 8, 16)
"""Pixels along the side of one of the 4 x 4 bins of a histogram."""
HISTOGRAM = 16 * _ANGLES
"""Numbers of a histogram. Each of the three is rooted and of length 1."""
COLOURS = 12
"""Mean and spread of brightness and of two colour contrasts, near and farther around."""
SMALLEST = 4 * _BINS[1]
"""Pixels that a photo needs along each side."""
_FAINT = 2.0
"""Mean gradient, in gray levels per pixel, below which a histogram fades: noise on a plain wall is no texture."""


def dense_sift(rgb: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "y x d"]:
    """Three histograms and the colours of every cell. Both sides are a multiple of `CELL`."""
    assert rgb.shape[0] % CELL == rgb.shape[1] % CELL == 0
    image = rgb.float().permute(2, 0, 1)
    gray = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    angles = _by_angle(gray)
    parts = [_histograms(angles, side) for side in _BINS]
    return torch.cat([*parts, _colours(image)], dim=-1)


def _by_angle(gray: Float[Tensor, "h w"]) -> Float[Tensor, "a h w"]:
    """The gradient's length, shared between the two nearest of the angles."""
    padded = pad(gray[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    across, down = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    length, turn = torch.hypot(across, down), torch.atan2(down, across) * (_ANGLES / (2 * math.pi))
    away = (turn[None] - torch.arange(_ANGLES)[:, None, None] + _ANGLES / 2) % _ANGLES - _ANGLES / 2
    return length * (1 - away.abs()).clamp(min=0)


def _histograms(angles: Float[Tensor, "a h w"], side: int) -> Float[Tensor, "y x 128"]:
    """4 x 4 bins around each cell's centre, each a tent of twice its side."""
    rows, columns = (_tents(length, side, bins=4) for length in angles.shape[1:])
    binned = (rows.flatten(0, 1) @ angles @ columns.flatten(0, 1).T).unflatten(2, columns.shape[:2])
    binned = binned.unflatten(1, rows.shape[:2])  # angle, row of cells, bin, column of cells, bin
    together = binned.permute(1, 3, 2, 4, 0).flatten(2)
    total = together.sum(dim=-1, keepdim=True)
    return (together / total.clamp(min=1e-6)).sqrt() * (total / (total + 16 * _FAINT)).sqrt()


def _colours(image: Float[Tensor, "3 h w"]) -> Float[Tensor, "y x 12"]:
    red, green, blue = image / 255
    contrasts = torch.stack([(red + green + blue) / 3, red - green, (red + green) / 2 - blue])
    parts = []
    for side in _BINS[:2]:
        rows, columns = (_tents(length, side, bins=1)[:, 0] for length in contrasts.shape[1:])
        mean, square = rows @ contrasts @ columns.T, rows @ contrasts.square() @ columns.T
        parts += [mean, (square - mean.square()).clamp(min=0).sqrt()]
    return torch.cat(parts).permute(1, 2, 0)


def _tents(length: int, side: int, *, bins: int) -> Float[Tensor, "cells bins length"]:
    """What each bin of each cell takes of the pixels along an axis; beyond the edge there is nothing to take."""
    centres = torch.arange(CELL / 2, length, CELL)[:, None] + (torch.arange(bins) - (bins - 1) / 2) * side
    pixels = torch.arange(length) + 0.5
    weights = (1 - (pixels - centres.clamp(0, length)[..., None]).abs() / side).clamp(min=0)
    return weights / weights.sum(dim=-1, keepdim=True)
