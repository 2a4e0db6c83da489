"""The sparse points as one photo sees them: what depth is learnt from, aligned to, and judged by without a truth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.types import Cameras, Points

__all__ = ["SparseDepth", "sparse_depth"]

_PER_CELL = 4
"""Points in the mean cell; in each, the nearest point hides those behind it."""
_WIDEST = 1 / 20
"""Side of the largest cell, as a share of the longest side: few points do not make neighbours of all."""
_BEHIND = 1.1
"""Points so many times as far as the nearest of their cell are hidden."""


@dataclass(frozen=True)
class SparseDepth:
    """Points in front of a camera, inside its picture."""

    row: Int[Tensor, "p"]
    column: Int[Tensor, "p"]
    inverse: Float[Tensor, "p"]
    """One over the depth, world units."""
    point: Int[Tensor, "p"]
    """Which of the points it is."""

    def __len__(self) -> int:
        return len(self.row)


def sparse_depth(points: Points, camera: Cameras) -> SparseDepth:
    """The points that `camera` (no batch dimension) may see. Points say nothing of who saw them: those that lie well
    behind another one nearby are taken for hidden."""
    seen = points.xyz @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    pixel = seen[:, :2] / seen[:, 2:].clamp(min=1e-9) * camera.focal + camera.center
    width, height = int(camera.width), int(camera.height)
    inside = (seen[:, 2] > 1e-6) & (pixel >= 0).all(dim=1) & (pixel[:, 0] < width) & (pixel[:, 1] < height)
    depth, (column, row) = seen[inside, 2], pixel[inside].long().unbind(-1)
    spacing = (_PER_CELL * width * height / max(len(depth), 1)) ** 0.5
    side = max(int(min(spacing, _WIDEST * max(width, height))), 1)
    across = width // side + 1
    cell = (row // side) * across + column // side
    nearest = depth.new_full(((height // side + 1) * across,), torch.inf).scatter_reduce(0, cell, depth, "amin")
    open_ = depth <= _BEHIND * nearest[cell]
    return SparseDepth(row[open_], column[open_], 1 / depth[open_], inside.nonzero()[:, 0][open_])
