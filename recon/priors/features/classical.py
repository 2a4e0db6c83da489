"""Features without a network: dense SIFT and colour along their strongest directions, and VLAD for whole photos."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.errors import InputError
from recon.priors.features.dense_sift import CELL, COLOURS, HISTOGRAM, SMALLEST, dense_sift
from recon.priors.features.extractor import PhotoFeatures, Progress
from recon.priors.features.principal import Principal
from recon.retrieval import Vocabulary

__all__ = ["Classical"]

_LONGEST = 640
"""Pixels along the longest side: cells then are 80 across."""
_CHANNELS = 48
_COLOUR_WEIGHT = 3.0
"""Colours count as much as one histogram: over photos of rooms and houses their variances are then alike."""
_SAMPLE = 40_000
"""Cells that directions and words are learned from."""
_WORD_CHANNELS = 64
_KEPT = 100
"""Photos whose descriptors stay in memory between the two looks: half a gigabyte."""


class Classical:
    """Works everywhere, offline. Knows texture and colour, not meaning."""

    name = "classical"

    def extract(self, photos: Sequence[UInt8[Tensor, "_h _w 3"]], progress: Progress) -> Iterator[PhotoFeatures]:
        """Looks at every photo twice where there are many: first for what the set is made of, then for its features."""
        described: dict[int, Float[Tensor, "y x d"]] = {}
        sample = []
        generator = torch.Generator().manual_seed(0)
        share = max(1, _SAMPLE // max(len(photos), 1))
        for index in range(len(photos)):
            cells = self._describe(photos[index])
            if len(described) < _KEPT:
                described[index] = cells
            flat = cells.flatten(0, 1)
            sample.append(flat[torch.randperm(len(flat), generator=generator)[:share]])
            progress(0.6 * (index + 1) / len(photos))
        learned = torch.cat(sample)
        principal = Principal.of(learned, _CHANNELS)
        fine = Principal.of(learned[:, :HISTOGRAM], _WORD_CHANNELS)
        vocabulary = Vocabulary.learn([fine.coordinates(learned[:, :HISTOGRAM]).numpy()])
        for index in range(len(photos)):
            cells = described.pop(index) if index in described else self._describe(photos[index])
            coordinates = fine.coordinates(cells[..., :HISTOGRAM].flatten(0, 1))
            whole = torch.from_numpy(vocabulary.describe(coordinates.numpy())).float()
            progress(0.6 + 0.4 * (index + 1) / len(photos))
            yield PhotoFeatures(principal.coordinates(cells), whole)

    def _describe(self, photo: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "y x d"]:
        cells = dense_sift(_reduced(photo))
        cells[..., -COLOURS:] *= _COLOUR_WEIGHT
        return cells


def _reduced(photo: UInt8[Tensor, "h w 3"]) -> UInt8[Tensor, "h w 3"]:
    """Whole cells, at most `_LONGEST` pixels along each side, smoothed as far as that asks."""
    height, width = photo.shape[:2]
    factor = min(1.0, _LONGEST / max(height, width))
    size = round(height * factor / CELL) * CELL, round(width * factor / CELL) * CELL
    if min(size) < SMALLEST:
        raise InputError(
            f"A photo of {width}x{height} pixels is smaller than what a feature looks at ({SMALLEST} pixels).",
            advice="Leave it out, or give photos that are not thumbnails or strips.",
        )
    if size == (height, width):
        return photo
    planar = photo.permute(2, 0, 1)[None].float()
    small = interpolate(planar, size, mode="bilinear", antialias=True, align_corners=False)[0]
    return small.permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8)
