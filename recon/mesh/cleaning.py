"""A fused surface made fit for use: floaters off, holes closed where asked for, as many faces as wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int

from recon.mesh.mesh import Mesh

if TYPE_CHECKING:
    import open3d as o3d

__all__ = ["close_holes", "decimate", "without_floaters"]


def without_floaters(mesh: Mesh, *, least: float) -> Mesh:
    """Without the pieces whose area is below `least` of the largest piece's."""
    piece = _pieces(mesh)
    area = np.bincount(piece, weights=mesh.face_areas)
    return mesh.keep((area >= least * area.max())[piece])


def close_holes(mesh: Mesh, *, radius: float) -> Mesh:
    """Holes up to `radius` across their middle are covered; new faces take the colours of the hole's rim."""
    import open3d as o3d

    whole = o3d.t.geometry.TriangleMesh.from_legacy(_open3d(mesh)).fill_holes(radius)
    vertices = whole.vertex.positions.numpy().astype(np.float64)
    faces = whole.triangle.indices.numpy().astype(np.int64)
    return Mesh(vertices, faces, _colours_nearby(mesh, vertices))


def decimate(mesh: Mesh, *, faces: int) -> Mesh:
    """At most about `faces` faces, those taken off first whose loss moves the surface least (quadric error metric)."""
    if len(mesh) <= faces:
        return mesh
    smaller = _open3d(mesh).simplify_quadric_decimation(faces)
    smaller.remove_degenerate_triangles()
    smaller.remove_unreferenced_vertices()
    rgb = (np.clip(np.asarray(smaller.vertex_colors), 0, 1) * 255).round().astype(np.uint8)
    return Mesh(np.asarray(smaller.vertices).copy(), np.asarray(smaller.triangles).astype(np.int64), rgb)


def _pieces(mesh: Mesh) -> Int[np.ndarray, "f"]:
    """The number of the connected piece each face belongs to."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count = len(mesh.vertices)
    rows, columns = mesh.faces[:, [0, 1]].ravel(), mesh.faces[:, [1, 2]].ravel()
    graph = coo_matrix((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1][mesh.faces[:, 0]]


def _colours_nearby(mesh: Mesh, vertices: np.ndarray) -> np.ndarray:
    from scipy.spatial import KDTree

    return mesh.rgb[KDTree(mesh.vertices).query(vertices)[1]]


def _open3d(mesh: Mesh) -> o3d.geometry.TriangleMesh:
    import open3d as o3d

    vertices, faces = o3d.utility.Vector3dVector(mesh.vertices), o3d.utility.Vector3iVector(mesh.faces.astype(np.int32))
    found = o3d.geometry.TriangleMesh(vertices, faces)
    found.vertex_colors = o3d.utility.Vector3dVector(mesh.rgb / 255)
    return found
