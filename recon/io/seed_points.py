"""Points to start from when the input has none: random ones where the cameras look, coloured by what they see there.

World frame: the origin is what the cameras look at, they are about 1 away from it.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.types import Cameras, ImageStore, Points

__all__ = ["random_points"]

_NEAR, _FAR = 0.2, 3.0
"""Depths tried, in distances of cameras from the origin; evenly in disparity, as pictures resolve them."""
_ROUNDS = 12
_VIEWS = 40
_SEEN = 0.5
"""Share of the views that must see a point where pictures have alpha: all look at the thing then."""
_COVERED = 0.95
"""Share of the views with alpha that must cover a point, where they see it: not all, for thin or badly cut things."""


def random_points(cameras: Cameras, images: ImageStore, views: tuple[int, ...], *, count: int, seed: int) -> Points:
    """`count` points in view of at least two of `views`, and inside the visual hull where pictures have alpha.

    Fewer when the hull is small; without regard to alpha when nothing is inside.
    """
    generator = torch.Generator().manual_seed(seed)
    some = [views[i] for i in torch.randperm(len(views), generator=generator)[:_VIEWS].tolist()]
    for use_alpha in (True, False):
        kept: list[Points] = []
        tried = _in_frusta(cameras[some], count, generator)
        for _ in range(_ROUNDS):
            kept.append(_visible(tried, cameras, images, some, use_alpha=use_alpha))
            found = torch.cat([points.xyz for points in kept])
            if len(found) >= count:
                break
            few = 0 < len(kept[-1]) < 0.3 * count  # a small thing: search around it
            tried = _around(found, count, generator) if few else _in_frusta(cameras[some], count, generator)
        points = Points(torch.cat([p.xyz for p in kept])[:count], torch.cat([p.rgb for p in kept])[:count])
        if len(points) >= min(count, 100):
            break
    return points


def _visible(
    xyz: Float[Tensor, "p 3"], cameras: Cameras, images: ImageStore, views: list[int], *, use_alpha: bool
) -> Points:
    """Those of the points that are to be kept, with the mean colour that they have in the views."""
    count = len(xyz)
    least = 2.0
    seen, covered = torch.zeros(count), torch.zeros(count)
    colour = torch.zeros(count, 3)
    for view in views:
        picture = images[view]
        if use_alpha and picture.alpha is not None:
            least = max(least, _SEEN * len(views))
        inside, column, row = _pixels(cameras[view], xyz)
        rgb = picture.rgb[row, column].float()
        cover = torch.ones(count) if picture.alpha is None or not use_alpha else picture.alpha[row, column] / 255
        seen += inside
        covered += inside * (cover > 0)
        colour += rgb * (inside * cover)[:, None]
    keep = (seen >= min(least, len(views))) & (covered >= _COVERED * seen)
    mean = colour / covered.clamp(min=1)[:, None]
    return Points(xyz[keep], mean[keep].round().clamp(0, 255).byte())


def _in_frusta(cameras: Cameras, count: int, generator: torch.Generator) -> Float[Tensor, "p 3"]:
    which = torch.randint(len(cameras), (count,), generator=generator)
    chosen = cameras[which]
    across, down, share = torch.rand(3, count, generator=generator)
    depth = 1 / (1 / _FAR + share * (1 / _NEAR - 1 / _FAR))
    pixel = torch.stack([across * chosen.width, down * chosen.height], dim=-1)
    direction = torch.cat([(pixel - chosen.center) / chosen.focal, torch.ones(count, 1)], dim=-1)
    rotation, translation = chosen.cam_from_world[:, :3, :3], chosen.cam_from_world[:, :3, 3]
    return (rotation.mT @ (direction * depth[:, None] - translation)[..., None])[..., 0]


def _around(xyz: Float[Tensor, "p 3"], count: int, generator: torch.Generator) -> Float[Tensor, "q 3"]:
    """Evenly in the box of the points, a tenth larger."""
    low, high = xyz.min(dim=0).values, xyz.max(dim=0).values
    return low + (high - low) * (1.1 * torch.rand(count, 3, generator=generator) - 0.05)


def _pixels(camera: Cameras, xyz: Float[Tensor, "p 3"]) -> tuple[Bool[Tensor, "p"], Tensor, Tensor]:
    """Is it in the picture, and the column and row (clamped)."""
    seen = xyz @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    pixel = seen[:, :2] / seen[:, 2:].clamp(min=1e-6) * camera.focal + camera.center
    column, row = pixel.floor().nan_to_num().clamp(-1e6, 1e6).long().unbind(-1)
    width, height = int(camera.width), int(camera.height)
    inside = (seen[:, 2] > 0.01) & (column >= 0) & (column < width) & (row >= 0) & (row < height)
    return inside, column.clamp(0, width - 1), row.clamp(0, height - 1)
