"""The rasteriser everybody writes first: plain torch, tile by tile, gradients by autograd. Ours is measured beside it.

It gets the same binned input for free: projection, depth order and the list of Gaussians of each tile are worked out
before its clock starts.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.types import Cameras, Gaussians

__all__ = ["Projected", "project", "rasterize", "tiles_of"]

TILE = 16


@dataclass(frozen=True)
class Projected:
    """2D Gaussians, nearest first."""

    centre: Float[Tensor, "g 2"]
    conic: Float[Tensor, "g 2 2"]
    rgb: Float[Tensor, "g 3"]
    opacity: Float[Tensor, "g"]
    radius: Float[Tensor, "g 2"]


def project(gaussians: Gaussians, camera: Cameras) -> Projected:
    """Kerbl et al. 2023, section 4, for a camera at the origin looking along +z; colours of degree 0."""
    x, y, z = gaussians.means.unbind(-1)
    fx, fy = camera.focal
    q = torch.nn.functional.normalize(gaussians.quats, dim=-1)
    w, i, j, k = q.unbind(-1)
    rotation = torch.stack(
        [
            torch.stack([1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)], -1),
            torch.stack([2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)], -1),
            torch.stack([2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)], -1),
        ],
        -2,
    )
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([fx / z, zero, -fx * x / z**2], -1), torch.stack([zero, fy / z, -fy * y / z**2], -1)], -2
    )
    u = jacobian @ rotation * gaussians.log_scales.exp()[:, None, :]
    covariance = u @ u.mT + 0.3 * torch.eye(2)
    opacity = torch.sigmoid(gaussians.opacity_logits)
    reach = (2 * torch.log(255 * opacity)).clamp(min=0).sqrt()
    order = torch.argsort(z)
    return Projected(
        centre=torch.stack([fx * x / z, fy * y / z], -1)[order] + camera.center,
        conic=torch.linalg.inv(covariance)[order],
        rgb=(0.5 + 0.28209479 * gaussians.sh[:, 0]).clamp(min=0)[order],
        opacity=opacity[order],
        radius=(reach[:, None] * covariance.diagonal(dim1=-2, dim2=-1).sqrt())[order],
    )


def tiles_of(p: Projected, width: int, height: int) -> list[tuple[int, int, Int[Tensor, "t"]]]:
    """For each tile: its corner and the Gaussians whose box touches it, nearest first."""
    low, high = p.centre - p.radius, p.centre + p.radius
    visible = p.opacity > 1 / 255
    tiles = []
    for y in range(0, height, TILE):
        rows = visible & (low[:, 1] < y + TILE) & (high[:, 1] > y)
        for x in range(0, width, TILE):
            tiles.append((x, y, torch.nonzero(rows & (low[:, 0] < x + TILE) & (high[:, 0] > x))[:, 0]))
    return tiles


def rasterize(
    p: Projected, tiles: list[tuple[int, int, Int[Tensor, "t"]]], width: int, height: int
) -> Float[Tensor, "h w 3"]:
    """Blend every tile by a cumulative product over its Gaussians."""
    image = torch.zeros(height, width, 3)
    for x, y, index in tiles:
        ys, xs = torch.meshgrid(
            torch.arange(y, min(y + TILE, height)) + 0.5, torch.arange(x, min(x + TILE, width)) + 0.5, indexing="ij"
        )
        offset = torch.stack([xs, ys], -1).reshape(-1, 1, 2) - p.centre[index]
        power = -0.5 * torch.einsum("pgi,gij,pgj->pg", offset, p.conic[index], offset)
        alpha = (p.opacity[index] * power.exp()).clamp(max=0.999)
        alpha = torch.where(alpha >= 1 / 255, alpha, torch.zeros_like(alpha))
        ahead = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], dim=1), dim=1)[:, :-1]
        image[y : y + TILE, x : x + TILE] = ((alpha * ahead) @ p.rgb[index]).reshape(*xs.shape, 3)
    return image
