"""Photographs on disk to batches: cut, turned round, developed in another way, with sparse points as SfM finds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["Examples", "batches", "sparse_points"]

_NEAREST = 3.0
"""Inverse depths are cut here, in those of a picture's nearest tenth: no twig before the lens rules the loss."""


@dataclass(frozen=True)
class Examples:
    """What the network sees and should say."""

    rgb: Float[Tensor, "b 3 h w"]
    inverse: Float[Tensor, "b 1 h w"]
    """In any scale; 0 is the sky."""
    sparse: Float[Tensor, "b 1 h w"]
    known: Float[Tensor, "b 1 h w"]


def batches(folder: Path, size: int, shapes: tuple[tuple[int, int], ...], seed: int) -> Iterator[Examples]:
    """Random batches without end, each of one shape (height, width). Worlds that come while it runs are taken, too."""
    random, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    paths: list[Path] = []
    number = 0
    while True:
        if number % 500 == 0:
            paths = sorted(folder.glob("*.npz"))
        number += 1
        height, width = shapes[int(random.integers(len(shapes)))]
        drawn = [_cut(paths[int(random.integers(len(paths)))], height, width, random) for _ in range(size)]
        rgb, inverse = torch.stack([a for a, _ in drawn]), torch.stack([b for _, b in drawn])
        sparse, known = sparse_points(rgb, inverse, generator)
        with_points = (torch.rand(size, 1, 1, 1, generator=generator) < 0.5).float()
        yield Examples(_developed(rgb, generator), inverse, sparse * with_points, known * with_points)


def sparse_points(rgb: Tensor, inverse: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Inverse depths at 20 to 600 pixels a photo, where it has structure: 1 % off, every fortieth altogether wrong."""
    count = len(rgb)
    grey = rgb.mean(dim=1)
    structure = F.pad((grey[:, 1:] - grey[:, :-1]).abs(), (0, 0, 0, 1)) + F.pad(
        (grey[..., 1:] - grey[..., :-1]).abs(), (0, 1)
    )
    chance = ((structure + 0.003) * (inverse[:, 0] > 1e-4)).flatten(1)
    sparse, known = torch.zeros_like(inverse).flatten(1), torch.zeros_like(inverse).flatten(1)
    for i in range(count):
        among = int((chance[i] > 0).sum())
        wanted = int(20 * 30 ** float(torch.rand((), generator=generator)))
        if among < wanted:
            continue
        at = torch.multinomial(chance[i], wanted, generator=generator)
        value = inverse[i].flatten()[at] * (1 + 0.01 * torch.randn(wanted, generator=generator))
        wrong = torch.rand(wanted, generator=generator) < 1 / 40
        value = torch.where(wrong, value * torch.exp(torch.randn(wanted, generator=generator)), value)
        sparse[i, at], known[i, at] = value, 1.0
    return sparse.view_as(inverse), known.view_as(inverse)


def _cut(path: Path, height: int, width: int, random: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random part of a random photograph, perhaps mirrored."""
    with np.load(path) as file:
        which = int(random.integers(len(file["rgb"])))
        rgb, inverse = file["rgb"][which], file["inverse"][which].astype(np.float32)
    full_height, full_width = inverse.shape
    most = min(full_height / height, full_width / width)
    part = most * random.uniform(0.6, 1.0)
    cut_height, cut_width = int(height * part), int(width * part)
    top, left = int(random.integers(full_height - cut_height + 1)), int(random.integers(full_width - cut_width + 1))
    rgb = torch.from_numpy(rgb[top : top + cut_height, left : left + cut_width]).permute(2, 0, 1).float() / 255
    inverse = torch.from_numpy(inverse[top : top + cut_height, left : left + cut_width])[None].clamp(max=_NEAREST)
    rgb = F.interpolate(rgb[None], size=(height, width), mode="bilinear", antialias=True, align_corners=False)[0]
    inverse = F.interpolate(inverse[None], size=(height, width), mode="nearest-exact")[0]
    return (rgb.flip(-1), inverse.flip(-1)) if random.random() < 0.5 else (rgb, inverse)


def _developed(rgb: Tensor, generator: torch.Generator) -> Tensor:
    """Other exposure, contrast and white balance; some grey, some soft; noise."""
    count = len(rgb)

    def draw(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    gamma, gain = torch.exp(draw(1, 1, 1) - 0.5), 0.75 + 0.5 * draw(1, 1, 1) + 0.2 * (draw(3, 1, 1) - 0.5)
    rgb = rgb.clamp(1e-3, 1) ** gamma * gain
    middle = rgb.mean(dim=(1, 2, 3), keepdim=True)
    rgb = middle + (rgb - middle) * (0.6 + 0.7 * draw(1, 1, 1))
    grey = (draw(1, 1, 1) < 0.15).float()
    rgb = grey * rgb.mean(dim=1, keepdim=True) + (1 - grey) * rgb
    soft = F.avg_pool2d(F.pad(rgb, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    rgb = torch.lerp(rgb, soft, draw(1, 1, 1))
    noise = 0.04 * draw(1, 1, 1) ** 2 * torch.randn(rgb.shape, generator=generator)
    return (rgb + noise).clamp(0, 1)
