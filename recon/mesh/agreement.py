"""Which pixels of depth maps other views confirm: the rest are floaters and guesses, and stay out of the mesh."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from recon.mesh.views import DepthView, Progress
from recon.ops.surface import pixel_rays

__all__ = ["agreeing"]

_NEIGHBOURS = 8
"""Views that each is compared with: the nearest ones that look the same way."""
_TOLERANCE = 0.04
"""Largest difference of depths that agree, as a share of the depth."""
_EDGE_ON = 0.1
"""Least cosine between a surface's normal and the line of sight."""


def agreeing(views: list[DepthView], *, progress: Progress) -> list[DepthView]:
    """The views without depths that fewer than two neighbours confirm (one, where there are fewer than four views)."""
    needed = min(2, max(len(views) // 2 - 1, 0))
    neighbours = _neighbours(views)
    kept = []
    for done, view in enumerate(views):
        progress(done / len(views), f"agreement {done + 1} of {len(views)}")
        rays = pixel_rays(view.camera)
        facing = -(view.normal.float() * torch.nn.functional.normalize(rays, dim=-1)).sum(dim=-1)
        found = (view.depth > 0) & (facing > _EDGE_ON)
        votes = torch.zeros_like(view.depth)
        points = _world_points(view, rays)[found]
        for other in neighbours[done]:
            votes[found] += _confirms(views[other], points)
        kept.append(replace(view, depth=torch.where(found & (votes >= needed), view.depth, 0)))
    return kept


def _neighbours(views: list[DepthView]) -> list[list[int]]:
    """Of each view, the others nearest in position, those that look elsewhere last."""
    position = torch.stack([view.camera.position for view in views])
    axis = torch.stack([view.camera.cam_from_world[2, :3] for view in views])
    distance = torch.cdist(position, position)
    apart = distance / distance.median().clamp(min=1e-9) + 2 * (1 - axis @ axis.T)
    apart.fill_diagonal_(torch.inf)
    return apart.argsort(dim=1)[:, : min(_NEIGHBOURS, len(views) - 1)].tolist()


def _world_points(view: DepthView, rays: Float[Tensor, "h w 3"]) -> Float[Tensor, "h w 3"]:
    pose = view.camera.cam_from_world
    return (view.depth[..., None] * rays - pose[:3, 3]) @ pose[:3, :3]


def _confirms(view: DepthView, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
    """1 where the view sees a surface at the point, else 0."""
    camera = view.camera
    local = points @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    z = local[:, 2].clamp(min=1e-6)
    column, row = (local[:, :2] / z[:, None] * camera.focal + camera.center).floor().unbind(dim=-1)
    inside = (local[:, 2] > 0) & (column >= 0) & (row >= 0) & (column < view.depth.shape[1])
    inside &= row < view.depth.shape[0]
    seen = view.depth[torch.where(inside, row, 0).long(), torch.where(inside, column, 0).long()]
    return (inside & (seen > 0) & ((seen - z).abs() < _TOLERANCE * z)).float()
