"""The surface of a cloud of matter: where its density passes a threshold, by marching cubes on a grid (open3d).

Source: Lorensen & Cline 1987; open3d's variant is Flying Edges (Schroeder et al. 2015).
"""

from __future__ import annotations

import math

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError, RunError
from recon.mesh.mesh import Mesh
from recon.mesh.views import Progress
from recon.types import HasDensity

__all__ = ["isosurface"]

_CELLS = 256
"""Along the longest side of the box where no size is given."""
_MOST = 100_000_000
"""Cells of a grid: 400 MB, and half a minute or more for a network to fill."""
_RANGE = 3.0
"""Logarithms of density beyond this distance from the threshold's are cut off: between a cell in empty space and one
in matter, the surface lies near the middle, wherever it would lie between their densities."""


def isosurface(model: HasDensity, *, voxel: float | None, progress: Progress) -> Mesh:
    """Where the density is `model.surface_density`, inside the model's bounds. Gray. World units.

    Raises `RunError` where there is no such place.
    """
    low, high = model.bounds.double()
    longest = float((high - low).max())
    voxel = longest / _CELLS if voxel is None else voxel
    cells = ((high - low) / voxel).ceil().long() + 2  # one more at either end, to close what reaches the border
    if float(cells.double().prod()) > _MOST:
        raise InputError(
            f"Surfaces found on so fine a grid take {4e-9 * float(cells.double().prod()):.1f} GB.",
            advice="Give a larger --mesh.voxel, or leave it out.",
        )
    start = low - 0.5 * voxel
    values = _values(model, start, voxel, [int(count) for count in cells], progress)
    found = _contour(values)
    if found is None:
        raise RunError(
            "This model is dense nowhere.", advice="Train longer, or look at it first with recon view: it may be fog."
        )
    vertices, faces = found
    return Mesh(start.numpy() + voxel * vertices, faces, np.full((len(vertices), 3), 128, dtype=np.uint8))


def _values(
    model: HasDensity, start: Float[Tensor, "3"], voxel: float, cells: list[int], progress: Progress
) -> Float[np.ndarray, "z y x"]:
    """How many times the threshold's density there is at each place of the grid, as a logarithm; none at its ends."""
    x, y, z = (start[axis] + voxel * torch.arange(count) for axis, count in enumerate(cells))
    across = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1).reshape(-1, 2)
    values = np.full(cells[::-1], -_RANGE, dtype=np.float32)
    least = math.exp(-_RANGE) * model.surface_density
    for layer in range(1, cells[2] - 1):
        progress(layer / cells[2], f"layer {layer} of {cells[2] - 2}")
        points = torch.cat([across, z[layer].expand(len(across), 1)], dim=-1).float()
        ratio = model.density(points).clamp(min=least).log() - math.log(model.surface_density)
        values[layer, 1:-1, 1:-1] = ratio.clamp(max=_RANGE).reshape(cells[1], cells[0]).cpu().numpy()[1:-1, 1:-1]
    return values


def _contour(values: Float[np.ndarray, "z y x"]) -> tuple[np.ndarray, np.ndarray] | None:
    """Vertices, in cells along x, y, z, and faces where the values pass zero; None where they never do."""
    import open3d as o3d

    if not (values > 0).any():
        return None
    found = o3d.t.geometry.TriangleMesh.create_isosurfaces(o3d.core.Tensor.from_numpy(values))
    return found.vertex.positions.numpy().astype(np.float64), found.triangle.indices.numpy().astype(np.int64)
