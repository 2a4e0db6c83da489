"""A ball on nothing, seen from all around: a renderer that is not a model, exact in depth, colour and normals."""

from __future__ import annotations

import math

import numpy as np
import torch
from room import InMemory

from recon.geometry import look_at
from recon.ops.surface import pixel_rays
from recon.types import Cameras, Picture, Points, Render, Scene

__all__ = ["CENTRE", "RADIUS", "Ball", "Nothing", "ball_cameras", "ball_scene"]

CENTRE, RADIUS = torch.tensor([0.2, -0.1, 0.3]), 0.5


class Ball:
    """Striped along z; every pixel is covered wholly or not at all."""

    def render(self, cameras: Cameras, pixels: torch.Tensor | None = None) -> Render:
        assert pixels is None
        pose, rays = cameras.cam_from_world, pixel_rays(cameras)
        middle = pose[:3, :3] @ CENTRE + pose[:3, 3]
        a, b, c = rays.square().sum(-1), rays @ middle, middle.square().sum() - RADIUS**2
        root = b.square() - a * c
        hit = root > 0
        depth = torch.where(hit, (b - root.clamp(min=0).sqrt()) / a, 0)
        height = ((depth[..., None] * rays - pose[:3, 3]) @ pose[:3, :3] - CENTRE)[..., 2] / RADIUS
        rgb = torch.stack([0.5 + 0.4 * torch.sin(6 * height), 0.5 + 0.3 * height, torch.full_like(height, 0.3)], dim=-1)
        return Render(rgb=torch.where(hit[..., None], rgb, 0), alpha=hit.float(), depth=depth)


class Nothing:
    """An empty model."""

    def render(self, cameras: Cameras, pixels: torch.Tensor | None = None) -> Render:
        shape = (int(cameras.height), int(cameras.width))
        return Render(rgb=torch.zeros(*shape, 3), alpha=torch.zeros(shape), depth=torch.zeros(shape))


def ball_cameras(views: int = 12, size: int = 96) -> Cameras:
    poses = []
    for index in range(views):
        angle, height = 2 * math.pi * index / views, (-0.9, 0.9)[index % 2]
        eye = CENTRE.numpy() + 2 * np.array([math.cos(angle), math.sin(angle), height])
        poses.append(look_at(eye, CENTRE.double().numpy(), np.array([0.0, 0.0, 1.0])))
    return Cameras(
        cam_from_world=torch.from_numpy(np.stack(poses)).float(),
        focal=torch.full((views, 2), 1.2 * size),
        center=torch.full((views, 2), size / 2),
        width=torch.full((views,), size),
        height=torch.full((views,), size),
    )


def ball_scene(views: int = 12, size: int = 96) -> Scene:
    cameras = ball_cameras(views, size)
    renders = [Ball().render(cameras[index]) for index in range(views)]
    pictures = [
        Picture((r.rgb * 255).round().to(torch.uint8), (r.alpha * 255).round().to(torch.uint8)) for r in renders
    ]
    return Scene(
        names=tuple(f"ball_{index:02d}.png" for index in range(views)),
        cameras=cameras,
        images=InMemory(tuple(pictures)),
        points=Points(CENTRE[None], torch.full((1, 3), 128, dtype=torch.uint8)),
        train=tuple(range(views)),
        test=(),
        input_from_world=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])),
        up=torch.tensor([0.0, 0.0, 1.0]),
    )
