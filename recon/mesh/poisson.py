"""A closed surface through oriented points: what cameras did not see is bridged smoothly. For single objects."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float, UInt8

from recon.mesh.mesh import Mesh

__all__ = ["poisson"]

_SHALLOWEST, _DEEPEST = 5, 11
"""Depths of the octree; 11 takes about 4 GB for a scene full of detail."""
_BARE = 0.002
"""Share of vertices with the least points near them that are cut off: the bubble far from everything."""


def poisson(
    xyz: Float[np.ndarray, "p 3"], normals: Float[np.ndarray, "p 3"], rgb: UInt8[np.ndarray, "p 3"], *, voxel: float
) -> Mesh:
    """The surface at about the resolution `voxel`. Source: Kazhdan & Hoppe 2013 (screened Poisson)."""
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz))
    cloud.normals = o3d.utility.Vector3dVector(normals.astype(np.float64))
    cloud.colors = o3d.utility.Vector3dVector(rgb / 255)
    longest = float((xyz.max(axis=0) - xyz.min(axis=0)).max())
    depth = int(np.clip(math.ceil(math.log2(max(longest / voxel, 2))), _SHALLOWEST, _DEEPEST))
    found, density = o3d.geometry.TriangleMesh.create_from_point_cloud_poisson(cloud, depth=depth, n_threads=1)
    vertices, faces = np.asarray(found.vertices).copy(), np.asarray(found.triangles).astype(np.int64)
    colours = (np.clip(np.asarray(found.vertex_colors), 0, 1) * 255).round().astype(np.uint8)
    mesh, supported = Mesh(vertices, faces, colours), np.asarray(density)
    return mesh.keep((supported >= np.quantile(supported, _BARE))[faces].all(axis=1))
