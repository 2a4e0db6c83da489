"""The surface that a model's cameras see, as points with colours and normals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.io.cloud import OrientedPoints, write_cloud
from recon.io.disk import whole
from recon.mesh.fusion import choose_voxel, fuse
from recon.mesh.making import seen_surface
from recon.mesh.views import Progress
from recon.types import Renderer, Scene

__all__ = ["export_cloud"]


def export_cloud(
    model: Renderer, scene: Scene, path: Path, *, output_from_world: Float[np.ndarray, "4 4"], progress: Progress
) -> int:
    """Write a .ply or .pcd; the number of points. They lie a voxel apart, averaged over all cameras that see them."""
    views = seen_surface(model, scene, progress=lambda done, what: progress(0.7 * done, what))
    field = fuse(views, voxel=choose_voxel(views), progress=lambda done, what: progress(0.7 + 0.25 * done, what))
    points = OrientedPoints(*field.points()).moved(output_from_world)
    with whole(path) as unfinished:
        write_cloud(points, unfinished, suffix=path.suffix.lower())
    return len(points)
