"""How well each photo shows each face of a mesh: what is hidden, edge-on or far away shows worse or not at all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float

from recon.mesh.mesh import Mesh
from recon.mesh.sight import Sight
from recon.mesh.views import Progress
from recon.types import Cameras

__all__ = ["Photographed", "Projected", "photographed", "project"]

_EDGE_ON = 0.1
"""Least cosine between a face's normal and the line of sight."""
_HIDDEN = 0.01
"""A point farther behind the surface that a camera sees than this share of its depth is hidden."""
_JUMP = 0.05
"""Neighbouring depths that differ by more than this share are an outline: colours there mix two surfaces."""


@dataclass(frozen=True)
class Photographed:
    """Faces against photos."""

    cameras: Cameras
    depth: tuple[Float[np.ndarray, "h w"], ...]
    """Of the mesh, from every camera; infinite where it is not, 0 along outlines."""
    score: Float[np.ndarray, "n f"]
    """Pixels that the face covers, times the cosine it is seen under; 0 where it is not seen."""


@dataclass(frozen=True)
class Projected:
    """Points in an image."""

    x: Float[np.ndarray, "p"]
    y: Float[np.ndarray, "p"]
    z: Float[np.ndarray, "p"]
    visible: Bool[np.ndarray, "p"]
    cosine: Float[np.ndarray, "p"]


def photographed(mesh: Mesh, cameras: Cameras, *, progress: Progress) -> Photographed:
    """Scores of all faces in all photos, by their middles."""
    sight = Sight(mesh.vertices, mesh.faces)
    middle, normal, area = mesh.vertices[mesh.faces].mean(axis=1), mesh.face_normals, mesh.face_areas
    score = np.zeros((len(cameras), len(mesh)), dtype=np.float32)
    depths = []
    for index in range(len(cameras)):
        progress(index / len(cameras), f"photo {index + 1} of {len(cameras)}")
        depths.append(_without_outlines(sight.through_pixels(cameras[index]).distance.astype(np.float32)))
        seen = project(middle, normal, cameras[index], depths[-1])
        pixels = area * seen.cosine * float(cameras[index].focal.prod()) / np.maximum(seen.z, 1e-9) ** 2
        score[index] = np.where(seen.visible, pixels * seen.cosine, 0)
    return Photographed(cameras, tuple(depths), score)


def project(
    points: Float[np.ndarray, "p 3"],
    normals: Float[np.ndarray, "p 3"],
    camera: Cameras,
    depth: Float[np.ndarray, "h w"],
) -> Projected:
    """Where points lie in a camera's image, and which of them it sees; `depth` is the mesh's."""
    pose = camera.cam_from_world.double().numpy()
    local = points @ pose[:3, :3].T + pose[:3, 3]
    z = local[:, 2]
    safe = np.maximum(z, 1e-9)
    (fx, fy), (cx, cy) = camera.focal.tolist(), camera.center.tolist()
    x, y = local[:, 0] / safe * fx + cx, local[:, 1] / safe * fy + cy
    cosine = -np.einsum("pc,pc->p", normals @ pose[:3, :3].T, local) / np.maximum(np.linalg.norm(local, axis=1), 1e-9)
    height, width = depth.shape
    inside = (z > 0) & (x >= 0) & (y >= 0) & (x < width) & (y < height) & (cosine > _EDGE_ON)
    row, column = np.where(inside, y, 0).astype(np.int64), np.where(inside, x, 0).astype(np.int64)
    return Projected(
        x, y, z, inside & (z < depth[row, column] * (1 + _HIDDEN / np.maximum(cosine, _EDGE_ON) / 2)), cosine
    )


def _without_outlines(depth: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Zero, and so in front of everything, where a pixel's neighbourhood holds two surfaces."""
    finite = torch.from_numpy(np.where(np.isfinite(depth), depth, 1e6))[None, None]
    highest = torch.nn.functional.max_pool2d(finite, 3, stride=1, padding=1)[0, 0].numpy()
    lowest = -torch.nn.functional.max_pool2d(-finite, 3, stride=1, padding=1)[0, 0].numpy()
    return np.where(highest > lowest * (1 + _JUMP), 0, depth).astype(np.float32)
