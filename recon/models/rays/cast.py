"""Rays through pixels.

Letters: `r` rays. Directions have unit length; distances along a ray are in world units.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.types import Batch, Cameras

__all__ = ["Rays", "cast", "pixel_centers", "rays_of", "views_of"]

_PIXEL = 1 / math.sqrt(12)
"""Standard deviation across a pixel, in pixels."""


@dataclass(frozen=True)
class Rays:
    """Where light comes from."""

    origins: Float[Tensor, "r 3"]
    directions: Float[Tensor, "r 3"]
    forward: Float[Tensor, "r"]
    """Depth along the camera's z axis per distance along the ray."""
    width: Float[Tensor, "r"]
    """Standard deviation of the pixel's cone at distance 1."""

    def __len__(self) -> int:
        return len(self.origins)

    def __getitem__(self, part: slice) -> Rays:
        return Rays(*(getattr(self, name)[part] for name in self.__dataclass_fields__))


def cast(cameras: Cameras, pixels: Float[Tensor, "r 2"]) -> Rays:
    """Rays of pixels of one camera (no batch dimension), or of one camera each."""
    flat = (pixels - cameras.center) / cameras.focal
    seen = torch.cat([flat, torch.ones_like(flat[:, :1])], dim=-1)
    forward = 1 / seen.norm(dim=-1)
    directions = (seen * forward[:, None])[:, None] @ cameras.cam_from_world[..., :3, :3]
    width = _PIXEL * forward / (cameras.focal[..., 0] * cameras.focal[..., 1]).sqrt()
    return Rays(cameras.position.expand(len(pixels), 3).contiguous(), directions[:, 0].contiguous(), forward, width)


def rays_of(batch: Batch) -> Rays:
    """Rays of a batch of pixels."""
    assert batch.pixels is not None
    return cast(batch.cameras if batch.camera_of is None else batch.cameras[batch.camera_of], batch.pixels)


def views_of(batch: Batch) -> Int[Tensor, "r"]:
    """The view of the scene behind each ray of a batch of pixels."""
    assert batch.camera_of is not None
    return torch.tensor(batch.indices).to(batch.camera_of.device, non_blocking=True)[batch.camera_of]


def pixel_centers(cameras: Cameras, device: torch.device | str = "cpu") -> Float[Tensor, "r 2"]:
    """Of all pixels of one camera, row by row."""
    rows, columns = (torch.arange(int(side), device=device) for side in (cameras.height, cameras.width))
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], dim=-1) + 0.5
