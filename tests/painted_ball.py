"""A ball cut out of its background, its colours waves over its directions, seen from all around: exact and tiny."""

from __future__ import annotations

import math

import numpy as np
import torch
from room import InMemory

from recon.geometry import look_at
from recon.types import Cameras, Picture, Points, Scene

__all__ = ["RADIUS", "ball_scene"]

RADIUS = 0.4


def ball_scene(*, views: int = 30, size: int = 32, test: tuple[int, ...] = (0, 7)) -> Scene:
    """Cameras at distance 1, up and down in turn; the photos have alpha, and the points lie on the ball."""
    angles = 2 * math.pi * np.arange(views) / views
    height = np.where(np.arange(views) % 2 == 0, 0.3, -0.4)
    around = np.sqrt(1 - height**2)
    eyes = np.stack([around * np.cos(angles), around * np.sin(angles), height], axis=-1)
    poses = np.stack([look_at(eye, np.zeros(3), np.array([0.0, 0.0, 1.0])) for eye in eyes])
    directions = torch.nn.functional.normalize(torch.randn(400, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    return Scene(
        names=tuple(f"ball_{index:02d}.png" for index in range(views)),
        cameras=Cameras(
            cam_from_world=torch.from_numpy(poses).float(),
            focal=torch.full((views, 2), float(size)),
            center=torch.full((views, 2), size / 2),
            width=torch.full((views,), size),
            height=torch.full((views,), size),
        ),
        images=InMemory(tuple(_photo(pose, size) for pose in poses)),
        points=Points(RADIUS * directions, _colour(directions)),
        train=tuple(index for index in range(views) if index not in test),
        test=test,
        transparent=True,
    )


def _photo(cam_from_world: np.ndarray, size: int) -> Picture:
    """Sixteen rays a pixel."""
    fine = 4 * size
    x, y = np.meshgrid((np.arange(fine) + 0.5) / 4 - size / 2, (np.arange(fine) + 0.5) / 4 - size / 2)
    rotation = cam_from_world[:3, :3]
    rays = np.stack([x / size, y / size, np.ones_like(x)], axis=-1) @ rotation
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    origin = -rotation.T @ cam_from_world[:3, 3]
    middle = -(rays @ origin)
    inside = RADIUS**2 - (origin @ origin - middle**2)
    hit = torch.from_numpy(inside > 0)
    surface = torch.from_numpy(origin + (middle - np.sqrt(np.maximum(inside, 0)))[..., None] * rays) / RADIUS
    alpha = hit.float().reshape(size, 4, size, 4).mean(dim=(1, 3))
    rgb = (_colour(surface.float()).float() * hit[..., None]).reshape(size, 4, size, 4, 3).mean(dim=(1, 3))
    straight = rgb / alpha.clamp(min=1e-6)[..., None]
    return Picture(straight.round().byte(), alpha=(alpha * 255).round().byte())


def _colour(direction: torch.Tensor) -> torch.Tensor:
    return (127.5 + 60 * direction + 60 * torch.sin(9 * direction)).clamp(0, 255).byte()
