"""Pictures to judge by, with their depth: rendered worlds, captures with exact depth, photos that stereo saw."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recon.errors import InputError
from recon.io.posed import find_posed
from recon.io.scene import load_scene
from recon.priors.depth.monocular.prior import working_size
from recon.priors.depth.monocular.recipe.batches import Examples, sparse_points
from recon.priors.depth.monocular.recipe.scenes import render_split
from recon.priors.depth.stereo import StereoDepth

__all__ = ["captured", "rendered", "seen_by_stereo"]

_STEREO_SIDE = 320
_SURE = 0.5
"""Confidence of stereo from which its depth counts."""


def rendered(folder: Path, split: str, worlds: int) -> Iterable[Examples]:
    """Photographs of rendered worlds, at the size that the network works at."""
    for number, path in enumerate(render_split(folder, split, worlds)):
        with np.load(path) as file:
            rgb = torch.from_numpy(file["rgb"]).permute(0, 3, 1, 2).float() / 255
            inverse = torch.from_numpy(file["inverse"].astype(np.float32))[:, None]
        yield _at_working_size(rgb, inverse, seed=number)


def captured(folder: Path, split: str = "test") -> Iterable[Examples]:
    """Pictures of a capture with exact depth (`depth/SPLIT_r_I.npz` beside `SPLIT/r_I.png`)."""
    from PIL import Image

    for number, path in enumerate(sorted((folder / "depth").glob(f"{split}_*.npz"))):
        with Image.open(folder / split / path.with_suffix(".png").name.removeprefix(f"{split}_")) as opened:
            pixels = torch.from_numpy(np.array(opened.convert("RGBA"))).float() / 255
        rgb = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
        with np.load(path) as file:
            depth = torch.from_numpy(file["depth"].astype(np.float32))
        depth = torch.where(pixels[..., 3] > 0.5, depth, 0)
        inverse = torch.where(depth > 0, 1 / depth.clamp(min=1e-6), 0)
        yield _at_working_size(rgb.permute(2, 0, 1)[None], inverse[None, None], seed=number)


def seen_by_stereo(folder: Path, every: int = 5) -> Iterable[Examples]:
    """Real photos, posed, where stereo between all of them is sure of their depth; one of `every`."""
    posed = find_posed(folder)
    if posed is None:
        raise InputError(f"{folder} has no poses.", advice="Pass a folder of posed photos.")
    scene = load_scene(posed.read(), image_size=_STEREO_SIDE, hold_out=0)
    views = range(len(scene))
    for view, depth in zip(views, StereoDepth().predict(scene, views, lambda done, what: None), strict=True):
        if view % every == 0:
            sure = (depth.confidence > _SURE) & (depth.inverse > 0)
            rgb = scene.images[view].rgb.permute(2, 0, 1)[None].float() / 255
            yield _at_working_size(rgb, torch.where(sure, depth.inverse, 0).float()[None, None], seed=view)


def _at_working_size(rgb: Tensor, inverse: Tensor, seed: int) -> Examples:
    size = working_size(*rgb.shape[-2:])
    rgb = F.interpolate(rgb, size=size, mode="bilinear", antialias=True, align_corners=False)
    inverse = F.interpolate(inverse, size=size, mode="nearest-exact")
    sparse, known = sparse_points(rgb, inverse, torch.Generator().manual_seed(seed))
    return Examples(rgb, inverse, sparse, known)
