"""A splat file as something to orbit: a renderer, and a scene of no photos around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recon.errors import InputError
from recon.export.splat_renderer import SplatRenderer
from recon.export.views import render_picture
from recon.geometry import look_at
from recon.io.splats.formats import read_splats
from recon.io.splats.look import guessed_look, views_around
from recon.types import Cameras, Gaussians, Picture, Points, Renderer, Scene

__all__ = ["open_splats"]

_WIDTH, _HEIGHT, _FOCAL = 960, 720, 800.0
_STARTS = 8
"""Made-up cameras around the splats, where orbiting starts."""


class _Renders:
    """Pictures of a scene without photos: what its cameras see."""

    def __init__(self, model: SplatRenderer, cameras: Cameras) -> None:
        self._model, self._cameras = model, cameras

    def __len__(self) -> int:
        return len(self._cameras)

    def __getitem__(self, index: int) -> Picture:
        return Picture(render_picture(self._model, self._cameras[index], torch.zeros(3)))


def open_splats(path: Path) -> tuple[Renderer, Scene]:
    """The splats of a file, and cameras around their densest part. Up as the file says, or as COLMAP's usual frame."""
    asset = read_splats(path)
    gaussians = asset.gaussians
    if len(gaussians) == 0:
        raise InputError(f"{path} holds no splats.", advice="Pass another file.")
    up = np.array((0.0, -1.0, 0.0) if asset.up is None else asset.up)
    cameras = _around(gaussians, up)
    model = SplatRenderer(gaussians)
    rgb = ((gaussians.sh[:, 0] * 0.28209479 + 0.5).clamp(0, 1) * 255).to(torch.uint8)
    scene = Scene(
        names=tuple(f"view {index + 1}" for index in range(_STARTS)),
        cameras=cameras,
        images=_Renders(model, cameras),
        points=Points(gaussians.means, rgb),
        train=tuple(range(_STARTS)),
        test=(),
        up=torch.from_numpy(up).float(),
    )
    return model, scene


def _around(gaussians: Gaussians, up: np.ndarray) -> Cameras:
    look = guessed_look(gaussians, up)
    middle = np.array(look.target)
    eyes = views_around(middle, look.distance, up, _STARTS)
    poses = np.stack([look_at(eye, middle, up) for eye in eyes])
    return Cameras(
        cam_from_world=torch.from_numpy(poses).float(),
        focal=torch.full((_STARTS, 2), _FOCAL),
        center=torch.tensor([_WIDTH / 2, _HEIGHT / 2]).expand(_STARTS, 2),
        width=torch.full((_STARTS,), _WIDTH),
        height=torch.full((_STARTS,), _HEIGHT),
    )
