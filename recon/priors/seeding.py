"""Points on the surfaces that depth maps show: denser places to start a model from than sparse points."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.surface import pixel_rays
from recon.types import Cameras, DepthMap, ImageStore, Points

__all__ = ["points_of_depths"]


def points_of_depths(
    depths: Mapping[int, DepthMap], cameras: Cameras, images: ImageStore, *, count: int, seed: int
) -> Points:
    """`count` points, fewer where less is known, evenly over the known pixels of all photos, with their colours."""
    generator = torch.Generator().manual_seed(seed)
    known = {view: depth.known & (depth.inverse > 0) for view, depth in depths.items()}
    total = sum(int(pixels.sum()) for pixels in known.values())
    share = min(count / max(total, 1), 1.0)
    xyz, rgb = [torch.empty(0, 3)], [torch.empty(0, 3, dtype=torch.uint8)]
    for view, pixels in known.items():
        chosen = pixels & (torch.rand(pixels.shape, generator=generator) < share)
        xyz.append(_lifted(depths[view], cameras[view], chosen))
        rgb.append(images[view].rgb[chosen])
    return Points(torch.cat(xyz)[:count], torch.cat(rgb)[:count])


def _lifted(depth: DepthMap, camera: Cameras, chosen: Tensor) -> Float[Tensor, "p 3"]:
    seen = pixel_rays(camera)[chosen] / depth.inverse[chosen][:, None]
    rotation, translation = camera.cam_from_world[:3, :3], camera.cam_from_world[:3, 3]
    return (seen - translation) @ rotation
