"""Clouds as they might have been: turned about the up axis, mirrored, stretched, jittered, with fewer points."""

from __future__ import annotations

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Turns", "augmented", "on_unit_sphere", "turned"]

Turns = Literal["any", "quarter"]
"""About the up axis: by any angle, or, of clouds that were turned to their boxes, by quarters."""

TILT = math.radians(3)
"""Standard deviation of the up axis, radians: reconstructions are levelled to about that."""
OFF_AXIS = math.radians(4)
"""Standard deviation of the turn about the up axis, beyond quarter turns: of boxes around what is cut or noisy."""
STRETCH = 0.1
"""Each axis by 1 - STRETCH to 1 + STRETCH."""
JITTER = 0.015
"""Standard deviation of each point, in radii of the cloud: half a cell of the voxels behind ModelNet's points."""


def augmented(
    points: Float[Tensor, "b n 3"], count: int, generator: torch.Generator, *, turns: Turns = "any"
) -> Float[Tensor, "b s 3"]:
    """`count` points of each cloud, all its points' neighbours changed in the same way; radius 1 again."""
    clouds, available, _ = points.shape
    random = torch.rand(clouds, 5, generator=generator)
    angles = 2 * math.pi * random[:, 4]
    if turns == "quarter":
        angles = angles.div(math.pi / 2, rounding_mode="floor") * math.pi / 2
        angles = angles + torch.randn(clouds, generator=generator) * OFF_AXIS
    chosen = torch.rand(clouds, available, generator=generator).argsort(dim=1)[:, :count]
    points = points.gather(1, chosen[:, :, None].expand(-1, -1, 3))
    points = points * (1 + STRETCH * (2 * random[:, None, :3] - 1))
    points = points * torch.stack([random[:, 3].sub(0.5).sign(), *2 * [torch.ones(clouds)]], dim=1)[:, None]
    points = turned(points, angles)
    points = points @ _tilts(torch.randn(clouds, 2, generator=generator) * TILT)
    jitter = torch.randn(points.shape, generator=generator) * JITTER
    return on_unit_sphere(points + jitter.clamp(-3 * JITTER, 3 * JITTER))


def turned(points: Float[Tensor, "b n 3"], angles: Float[Tensor, "b"]) -> Float[Tensor, "b n 3"]:
    """About the z axis, by radians."""
    x, y, z = points.unbind(dim=2)
    cos, sin = angles.cos()[:, None], angles.sin()[:, None]
    return torch.stack([cos * x - sin * y, sin * x + cos * y, z], dim=2)


def on_unit_sphere(points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b n 3"]:
    """The middle of the bounding box at the origin, the farthest point at distance 1."""
    points = points - (points.amin(dim=1, keepdim=True) + points.amax(dim=1, keepdim=True)) / 2
    return points / points.norm(dim=2).amax(dim=1).clamp(min=1e-12)[:, None, None]


def _tilts(angles: Float[Tensor, "b 2"]) -> Float[Tensor, "b 3 3"]:
    """Small rotations about x and y, exactly orthogonal."""
    generators = torch.zeros(len(angles), 3, 3)
    generators[:, 1, 2], generators[:, 2, 1] = -angles[:, 0], angles[:, 0]
    generators[:, 0, 2], generators[:, 2, 0] = angles[:, 1], -angles[:, 1]
    return torch.linalg.matrix_exp(generators)
