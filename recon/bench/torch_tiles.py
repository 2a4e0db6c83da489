"""The rasteriser everybody writes first: plain torch, tile by tile, gradients by autograd. Ours is measured beside it.

In two shapes. As published by small teaching projects: tiles of 64 pixels, a Gaussian reaches three standard
deviations of its longer axis in every direction, and all of it is on the clock. As tight as torch allows: tiles of 16
pixels, exact boxes, with projection, depth order and tile lists worked out before the clock starts. A few tight tiles
also tell how many evaluations an image takes at least.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.types import Cameras, Gaussians

__all__ = ["PUBLISHED_TILE", "Projected", "as_published", "evaluations_needed", "project", "rasterize", "tiles_of"]

TILE, PUBLISHED_TILE = 16, 64
_NEAR, _FAINTEST = 0.01, 1 / 255

Tile = tuple[int, int, Tensor]
"""Left and upper border, and the Gaussians that touch it."""


@dataclass(frozen=True)
class Projected:
    """2D Gaussians, nearest first."""

    centre: Float[Tensor, "g 2"]
    conic: Float[Tensor, "g 2 2"]
    rgb: Float[Tensor, "g 3"]
    opacity: Float[Tensor, "g"]
    radius: Float[Tensor, "g 2"]


def project(gaussians: Gaussians, camera: Cameras) -> Projected:
    """Kerbl et al. 2023, section 4; colours of degree 0; Gaussians behind the camera are left out."""
    rotation, translation = camera.cam_from_world[:3, :3], camera.cam_from_world[:3, 3]
    in_camera = gaussians.means @ rotation.T + translation
    opacity = torch.sigmoid(gaussians.opacity_logits)
    front = (in_camera[:, 2] > _NEAR) & (opacity > _FAINTEST)
    order = front.nonzero()[:, 0]
    order = order[torch.argsort(in_camera[order, 2])]
    x, y, z = in_camera[order].unbind(-1)
    fx, fy = camera.focal
    zero = torch.zeros_like(z)
    jacobian = torch.stack(
        [torch.stack([fx / z, zero, -fx * x / z**2], -1), torch.stack([zero, fy / z, -fy * y / z**2], -1)], -2
    )
    u = jacobian @ (rotation @ _rotations(gaussians.quats[order])) * gaussians.log_scales[order].exp()[:, None, :]
    covariance = u @ u.mT + 0.3 * torch.eye(2)
    reach = (2 * torch.log(opacity[order] / _FAINTEST)).sqrt()
    return Projected(
        centre=torch.stack([fx * x / z, fy * y / z], -1) + camera.center,
        conic=torch.linalg.inv(covariance),
        rgb=(0.5 + 0.28209479 * gaussians.sh[order, 0]).clamp(min=0),
        opacity=opacity[order],
        radius=reach[:, None] * covariance.diagonal(dim1=-2, dim2=-1).sqrt(),
    )


def tiles_of(
    p: Projected, width: int, height: int, *, tile: int = TILE, corners: Sequence[tuple[int, int]] | None = None
) -> list[Tile]:
    """The tiles of an image, or those at some corners, and the Gaussians whose box touches each, nearest first."""
    low, high = p.centre - p.radius, p.centre + p.radius
    if corners is None:
        corners = [(x, y) for y in range(0, height, tile) for x in range(0, width, tile)]
    rows = {y: (low[:, 1] < y + tile) & (high[:, 1] > y) for y in {y for _, y in corners}}
    return [(x, y, torch.nonzero(rows[y] & (low[:, 0] < x + tile) & (high[:, 0] > x))[:, 0]) for x, y in corners]


def rasterize(
    p: Projected, tiles: Sequence[Tile], width: int, height: int, *, tile: int = TILE
) -> Float[Tensor, "h w 3"]:
    """Blend every tile by a cumulative product over its Gaussians."""
    image = torch.zeros(height, width, 3, device=p.centre.device)
    for x, y, index in tiles:
        columns, rows = min(tile, width - x), min(tile, height - y)
        alpha, ahead = _layers(p, x, y, index, columns, rows)
        image[y : y + rows, x : x + columns] = ((alpha * ahead) @ p.rgb[index]).reshape(rows, columns, 3)
    return image


def as_published(gaussians: Gaussians, camera: Cameras) -> Float[Tensor, "h w 3"]:
    """From parameters to the image: projection, order and tile lists too, with autograd through all of it."""
    width, height = int(camera.width), int(camera.height)
    p = project(gaussians, camera)
    with torch.no_grad():
        longer = 1 / torch.linalg.eigvalsh(p.conic)[:, 0]
        square = replace(p, radius=(3 * longer.sqrt())[:, None].expand(-1, 2))
        tiles = tiles_of(square, width, height, tile=PUBLISHED_TILE)
    return rasterize(p, tiles, width, height, tile=PUBLISHED_TILE)


def evaluations_needed(gaussians: Gaussians, camera: Cameras, *, sampled: int = 24) -> float:
    """(Pixel, Gaussian) pairs that change the image of a view: what blending cannot do without.

    Counted in so many random tiles and scaled up; 0 when nothing is seen.
    """
    width, height = int(camera.width), int(camera.height)
    p = project(gaussians, camera)
    if len(p.opacity) == 0:
        return 0.0
    across, down = -(-width // TILE), -(-height // TILE)
    chosen = torch.randperm(across * down, generator=torch.Generator().manual_seed(0))[:sampled].tolist()
    tiles = tiles_of(p, width, height, corners=[(TILE * (i % across), TILE * (i // across)) for i in chosen])
    useful, pixels = 0, 0
    for x, y, index in tiles:
        alpha, ahead = _layers(p, x, y, index, min(TILE, width - x), min(TILE, height - y))
        useful += int(((alpha > 0) & (ahead >= 1e-4)).sum())
        pixels += len(alpha)
    return useful / pixels * width * height


def _layers(
    p: Projected, x: int, y: int, index: Int[Tensor, "t"], columns: int, rows: int
) -> tuple[Float[Tensor, "p t"], Float[Tensor, "p t"]]:
    """Opacity of each Gaussian at each pixel of a tile, and how much light passes all before it."""
    device = p.centre.device
    ys, xs = torch.meshgrid(
        torch.arange(y, y + rows, device=device) + 0.5,
        torch.arange(x, x + columns, device=device) + 0.5,
        indexing="ij",
    )
    offset = torch.stack([xs, ys], -1).reshape(-1, 1, 2) - p.centre[index]
    power = -0.5 * torch.einsum("pgi,gij,pgj->pg", offset, p.conic[index], offset)
    alpha = (p.opacity[index] * power.exp()).clamp(max=0.999)
    alpha = torch.where(alpha >= _FAINTEST, alpha, torch.zeros_like(alpha))
    return alpha, torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], dim=1), dim=1)[:, :-1]


def _rotations(quats: Float[Tensor, "g 4"]) -> Float[Tensor, "g 3 3"]:
    w, i, j, k = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (j * j + k * k), 2 * (i * j - w * k), 2 * (i * k + w * j)], -1),
        torch.stack([2 * (i * j + w * k), 1 - 2 * (i * i + k * k), 2 * (j * k - w * i)], -1),
        torch.stack([2 * (i * k - w * j), 2 * (j * k + w * i), 1 - 2 * (i * i + j * j)], -1),
    ]
    return torch.stack(rows, -2)
