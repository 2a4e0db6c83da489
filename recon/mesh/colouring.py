"""Colours for a mesh that has none: those that the model shows to the cameras that see its vertices best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.mesh.mesh import Mesh
from recon.mesh.photographed import photographed, project
from recon.mesh.sight import sampled
from recon.mesh.views import Progress
from recon.types import Cameras, Renderer

__all__ = ["coloured"]

_SHARPNESS = 4
"""Power of the cosine that a vertex is seen under: the camera that faces it decides."""


@torch.no_grad()
def coloured(mesh: Mesh, model: Renderer, cameras: Cameras, *, progress: Progress) -> Mesh:
    """Each vertex's mean colour over the cameras that see it; what none sees keeps its own."""
    shown = photographed(mesh, cameras, progress=lambda done, what: progress(0.3 * done, what))
    normals = mesh.vertex_normals
    colour, weight = np.zeros((len(mesh.vertices), 3)), np.zeros(len(mesh.vertices))
    for index in range(len(cameras)):
        progress(0.3 + 0.7 * index / len(cameras), f"colours from view {index + 1} of {len(cameras)}")
        seen = project(mesh.vertices, normals, cameras[index], shown.depth[index])
        if not seen.visible.any():
            continue
        render = model.render(cameras[index])
        straight = (render.rgb / render.alpha.clamp(min=1e-3)[..., None]).clamp(0, 1).cpu().numpy()
        where = np.flatnonzero(seen.visible)
        share = seen.cosine[where] ** _SHARPNESS
        colour[where] += share[:, None] * sampled(straight, seen.x[where], seen.y[where])
        weight[where] += share
    known = weight > 0
    rgb = mesh.rgb.copy()
    rgb[known] = (255 * colour[known] / weight[known, None]).clip(0, 255).round().astype(np.uint8)
    return replace(mesh, rgb=rgb)
