"""A scene that says which way round it is: red on the left, green on the right, blue above, seen from the front.

World: x to the right, y away from the first camera, z up. Metres.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from room import InMemory

from recon.geometry import look_at
from recon.types import Cameras, Gaussians, Picture, Points, Render, Scene

__all__ = ["COLOURS", "Blobs", "Painter", "blob_scene"]

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (40, 60, 230)}
_CENTERS = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_RGB = torch.tensor(list(COLOURS.values())) / 255
_RADIUS = 0.3
_CLOUD = 40
_VIEWS, _WIDTH, _HEIGHT = 6, 120, 80


class Painter:
    """A model that can only be asked for pictures: three discs."""

    def __init__(self) -> None:
        self.renders = 0

    def render(self, cameras: Cameras, pixels: torch.Tensor | None = None) -> Render:
        assert pixels is None
        self.renders += 1
        seen = _CENTERS @ cameras.cam_from_world[:3, :3].T + cameras.cam_from_world[:3, 3]
        x, y = torch.meshgrid(
            torch.arange(int(cameras.width)) + 0.5, torch.arange(int(cameras.height)) + 0.5, indexing="xy"
        )
        rgb, alpha = torch.zeros(*x.shape, 3), torch.zeros(x.shape)
        for center, colour in zip(seen, _RGB, strict=True):
            if center[2] <= 0.1:
                continue
            column, row = center[:2] / center[2] * cameras.focal + cameras.center
            inside = (x - column).hypot(y - row) < _RADIUS * cameras.focal[0] / center[2]
            rgb[inside], alpha[inside] = colour, 1.0
        return Render(rgb=rgb, alpha=alpha)


class Blobs(Painter):
    """The same as Gaussians, each colour a little cloud."""

    def gaussians(self) -> Gaussians:
        around = torch.randn(_CLOUD, 3, generator=torch.Generator().manual_seed(0)) * 0.3 * _RADIUS
        means = (_CENTERS[:, None] + around).reshape(-1, 3)
        sh = (_RGB.repeat_interleave(_CLOUD, dim=0) - 0.5) / 0.28209479177387814  # of the constant spherical harmonic
        return Gaussians(
            means=means,
            quats=torch.tensor([2.0, 0.0, 0.0, 0.0]).repeat(len(means), 1),
            log_scales=torch.full((len(means), 3), math.log(0.3 * _RADIUS)),
            opacity_logits=torch.full((len(means),), 2.0),
            sh=sh[:, None],
        )


def blob_scene() -> Scene:
    """Photos from the front (the first, trained on) and from around; the second is held out."""
    angles = [2 * math.pi * index / _VIEWS for index in range(_VIEWS)]
    target, up = np.array([0.0, 0.0, 0.3]), np.array([0.0, 0.0, 1.0])
    poses = [look_at(np.array([4 * math.sin(a), -4 * math.cos(a), 0.6]), target, up) for a in angles]
    cameras = Cameras(
        cam_from_world=torch.from_numpy(np.stack(poses)).float(),
        focal=torch.full((_VIEWS, 2), 100.0),
        center=torch.tensor([[_WIDTH / 2, _HEIGHT / 2]]).repeat(_VIEWS, 1),
        width=torch.full((_VIEWS,), _WIDTH),
        height=torch.full((_VIEWS,), _HEIGHT),
    )
    painter = Painter()
    renders = [painter.render(cameras[index]).over(torch.ones(3)) for index in range(_VIEWS)]
    return Scene(
        names=tuple(f"photo_{index}.jpg" for index in range(_VIEWS)),
        cameras=cameras,
        images=InMemory(tuple(Picture((render * 255).round().to(torch.uint8)) for render in renders)),
        points=Points(_CENTERS.repeat(10, 1), (_RGB * 255).to(torch.uint8).repeat(10, 1)),
        train=(0, 2, 3, 4, 5),
        test=(1,),
        up=torch.tensor([0.0, 0.0, 1.0]),
    )
