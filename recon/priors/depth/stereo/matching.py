"""Planes over one photo's pixels from its neighbours, coarse to fine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.ops.patch_match import Compared, PatchTerms, Trial, compared, match_costs, match_sweep
from recon.types import Cameras

__all__ = ["Level", "Seed", "matched", "pyramid", "refined"]

_COARSE_SWEEPS, _FINE_SWEEPS = 6, 2


@dataclass(frozen=True)
class Level:
    """A photo at one size."""

    camera: Cameras
    gray: UInt8[Tensor, "h w"]


@dataclass(frozen=True)
class Seed:
    """Where the search begins: sparse points of one photo, and bounds on its inverse depths."""

    x: Float[Tensor, "p"]
    """As a share of the width."""
    y: Float[Tensor, "p"]
    inverse: Float[Tensor, "p"]
    low: float
    high: float


def pyramid(camera: Cameras, rgb: UInt8[Tensor, "h w 3"], smallest: int) -> list[Level]:
    """The photo, coarsest first: halved until its longest side is about `smallest` pixels."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=rgb.device)  # of Rec. 601
    gray = (rgb.float() @ weights)[None, None]
    longest = int(torch.maximum(camera.width, camera.height))
    levels = []
    while True:
        levels.append(Level(camera, gray[0, 0].round().clamp(0, 255).byte()))
        longest = (longest + 1) // 2
        if longest < smallest:
            return levels[::-1]
        camera = camera.resized(longest)
        gray = interpolate(gray, size=(int(camera.height), int(camera.width)), mode="area")


def matched(
    levels: Sequence[Level], others: Sequence[Sequence[Level]], seed: Seed, terms: PatchTerms, *, key: int
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "h w"]]:
    """Planes and their costs at the finest level, from photo-consistency alone. `others` are neighbours' levels.

    `key` makes the random numbers.
    """
    planes: Float[Tensor, "3 h w"] | None = None
    costs = torch.empty(0, device=levels[0].gray.device)
    for depth, level in enumerate(levels):
        left = len(levels) - 1 - depth  # of finer levels
        compared_with = [(other[-1 - left].camera, other[-1 - left].gray) for other in others if len(other) > left]
        photos = compared(level.camera, level.gray, compared_with, low=seed.low, high=seed.high)
        first = planes is None
        planes = _random_planes(photos, seed, key) if planes is None else _finer(planes, photos.gray.shape)
        costs = match_costs(photos, planes, terms)
        for sweep in range(_COARSE_SWEEPS if first else _FINE_SWEEPS):
            change = (0.3 if first else 0.03 * 0.5 ** (depth - 1)) * 0.5**sweep
            slope = (1.0 if first else 0.3) * 0.6**sweep
            trial = Trial(depth_change=change, slope_change=slope, thorough=first, seed=key, sweep=100 * depth + sweep)
            match_sweep(photos, planes, costs, terms, trial)
    assert planes is not None
    return planes, costs


def refined(
    level: Level,
    others: Sequence[tuple[Level, Float[Tensor, "_ _"]]],
    planes: Float[Tensor, "3 h w"],
    seed: Seed,
    terms: PatchTerms,
    *,
    key: int,
    sweeps: int,
) -> tuple[Float[Tensor, "3 h w"], Float[Tensor, "h w"]]:
    """The planes, moved to where the neighbours' inverse depths agree with them as well as their pixels."""
    photos = compared(
        level.camera,
        level.gray,
        [(other.camera, other.gray) for other, _ in others],
        low=seed.low,
        high=seed.high,
        depths=[depth for _, depth in others],
    )
    planes = planes.clone()
    costs = match_costs(photos, planes, terms)
    for sweep in range(sweeps):
        change, slope = 0.01 * 0.5**sweep, 0.2 * 0.6**sweep
        trial = Trial(depth_change=change, slope_change=slope, thorough=False, seed=key, sweep=1000 + sweep)
        match_sweep(photos, planes, costs, terms, trial)
    return planes, costs


def _random_planes(photos: Compared, seed: Seed, key: int) -> Float[Tensor, "3 h w"]:
    """Anywhere within the bounds, and at the sparse points what they say."""
    generator = torch.Generator().manual_seed(key)
    height, width = photos.gray.shape
    random = torch.rand(3, height, width, generator=generator)
    inverse = seed.low + (seed.high - seed.low) * random[0]
    row, column = (seed.y * height).long().clamp(0, height - 1), (seed.x * width).long().clamp(0, width - 1)
    inverse[row, column] = seed.inverse
    return torch.stack([inverse, *((random[1:] - 0.5) * inverse / photos.focal)]).to(photos.gray.device)


def _finer(planes: Float[Tensor, "3 h w"], shape: Sequence[int]) -> Float[Tensor, "3 h2 w2"]:
    """The planes for a larger picture: each pixel continues that of the coarse pixel it lies in."""
    height, width = shape
    down, across = planes.shape[1] / height, planes.shape[2] / width
    y, x = (torch.arange(side, device=planes.device) + 0.5 for side in (height, width))
    y, x = y * down, x * across
    row, column = y.long().clamp(max=planes.shape[1] - 1), x.long().clamp(max=planes.shape[2] - 1)
    chosen = planes[:, row][:, :, column]
    dy, dx = (y - row - 0.5)[:, None], (x - column - 0.5)[None, :]
    inverse = chosen[0] + chosen[1] * dx + chosen[2] * dy
    return torch.stack([inverse, chosen[1] * across, chosen[2] * down])
