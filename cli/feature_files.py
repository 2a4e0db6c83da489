"""What `recon features` leaves for people and other programs: pairs of photos, and pictures of the features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.io.disk import whole, write_whole
from recon.priors.features.kept import KeptFeatures
from recon.priors.features.principal import Principal
from recon.retrieval import pairs_of

__all__ = ["write_pairs", "write_pictures"]

_SAMPLE = 50_000
"""Cells that colours are learned from."""
_LONGEST = 640
"""Pixels of a picture's longest side, about."""


def write_pairs(kept: KeptFeatures, neighbours: int, path: Path) -> int:
    """A line for each pair of photos of which one is among the other's nearest, as COLMAP's match lists have it."""
    pairs = pairs_of(kept.wholes.numpy(), neighbours)
    lines = [f"{kept.photos[i]} {kept.photos[j]}\n" for i, j in pairs]
    write_whole(path, "".join(lines).encode())
    return len(pairs)


def write_pictures(maps: Sequence[Float[Tensor, "_y _x d"]], names: Sequence[str], folder: Path) -> None:
    """The cells of each photo, coloured by the three directions in which the set differs most."""
    from PIL import Image

    step = max(1, sum(cells.shape[0] * cells.shape[1] for cells in maps) // _SAMPLE)
    principal = Principal.of(torch.cat([cells.flatten(0, 1)[::step].float() for cells in maps]), 3)
    with whole(folder) as unfinished:
        for cells, name in zip(maps, names, strict=True):
            colours = principal.colours(cells.float()).numpy()
            times = max(1, _LONGEST // max(colours.shape[:2]))
            picture = Image.fromarray(np.ascontiguousarray(colours.repeat(times, 0).repeat(times, 1)))
            path = unfinished / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
