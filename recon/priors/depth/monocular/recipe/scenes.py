"""Photographs of many worlds on disk: one file of each, made once and read at random while training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from recon.io.disk import whole
from recon.priors.depth.monocular.recipe.held_out import held_out_world
from recon.priors.depth.monocular.recipe.layouts import training_world
from recon.priors.depth.monocular.recipe.photography import Photograph, Studio
from recon.priors.depth.monocular.recipe.world import World

__all__ = ["SPLITS", "photograph_world", "render_split"]

_SIZES = ((224, 168), (168, 224), (192, 192), (240, 144), (144, 256))
"""Width and height in pixels: as phones and cameras hold them."""
_LEAST_SPREAD = 1.2
"""Pictures whose farthest tenth is not so many times as far as the nearest show a wall, and are left out."""

SPLITS: dict[str, tuple[Callable[[int], World], int]] = {
    "train": (training_world, 0),
    "validation": (training_world, 1_000_003),
    "test": (held_out_world, 0),
}
"""Where worlds come from, and the number of the first."""


def render_split(folder: Path, split: str, worlds: int) -> Iterator[Path]:
    """Photograph the first `worlds` worlds of a split; those that are there already are not made again."""
    make, first = SPLITS[split]
    for number in range(worlds):
        path = folder / split / f"{number:05}.npz"
        if not path.exists():
            photographs = photograph_world(make(first + number))
            if len(photographs) == 0:
                continue
            with whole(path) as part, part.open("wb") as file:
                inverse = np.stack([shot.inverse for shot in photographs]).astype(np.float16)
                np.savez(file, rgb=np.stack([shot.rgb for shot in photographs]), inverse=inverse)
        yield path


def photograph_world(world: World) -> list[Photograph]:
    """From each of its stands with one size and lens a stand; inverse depths are in those of the nearest tenth."""
    random, studio, kept = world.random, Studio(world), []
    width, height = _SIZES[int(random.integers(len(_SIZES)))]
    for stand in world.stands:
        focal = max(width, height) * float(np.exp(random.uniform(np.log(0.65), np.log(1.5))))
        shot = studio.photograph(stand, width=width, height=height, focal=focal)
        near, far = np.percentile(shot.inverse, 90), np.percentile(shot.inverse, 10)
        if near > _LEAST_SPREAD * far:
            kept.append(Photograph(shot.rgb, shot.inverse / near))
    return kept
