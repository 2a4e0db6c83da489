"""What cameras see of a mesh, by casting a ray through every pixel (open3d's Embree). A mesh so is a renderer, too."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.mesh.mesh import Mesh
from recon.ops.surface import pixel_rays
from recon.types import Cameras, Render

__all__ = ["Hits", "MeshRenderer", "Sight", "sampled"]


@dataclass(frozen=True)
class Hits:
    """What each ray meets first."""

    face: Int[np.ndarray, "*r"]
    """-1 where nothing."""
    weights: Float[np.ndarray, "*r 3"]
    """Of the face's corners."""
    distance: Float[np.ndarray, "*r"]
    """In lengths of the ray's direction; infinite where nothing is met."""


class Sight:
    """Rays into triangles."""

    def __init__(self, vertices: Float[np.ndarray, "v 3"], faces: Int[np.ndarray, "f 3"]) -> None:
        import open3d as o3d

        self._scene = o3d.t.geometry.RaycastingScene()
        self._scene.add_triangles(
            o3d.core.Tensor.from_numpy(np.ascontiguousarray(vertices, dtype=np.float32)),
            o3d.core.Tensor.from_numpy(np.ascontiguousarray(faces, dtype=np.uint32)),
        )

    def cast(self, origins: Float[np.ndarray, "*#r 3"], directions: Float[np.ndarray, "*r 3"]) -> Hits:
        import open3d as o3d

        rays = np.concatenate([np.broadcast_to(origins, directions.shape), directions], axis=-1, dtype=np.float32)
        found = self._scene.cast_rays(o3d.core.Tensor.from_numpy(np.ascontiguousarray(rays)))
        distance, uv = found["t_hit"].numpy(), found["primitive_uvs"].numpy()
        face = np.where(np.isfinite(distance), found["primitive_ids"].numpy().astype(np.int64), -1)
        weights = np.concatenate([1 - uv.sum(axis=-1, keepdims=True), uv], axis=-1)
        return Hits(face, weights, distance)

    def through_pixels(self, camera: Cameras) -> Hits:
        """Of one camera; distances are along its z axis."""
        pose = camera.cam_from_world.double().numpy()
        directions = pixel_rays(camera).double().numpy() @ pose[:3, :3]
        return self.cast(-pose[:3, :3].T @ pose[:3, 3], directions)


class MeshRenderer:
    """A `Renderer` of a mesh: its texture, or the colours of its vertices, without any light."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._sight = Sight(mesh.vertices, mesh.faces)

    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        assert pixels is None
        hits = self._sight.through_pixels(cameras)
        met = hits.face >= 0
        rgb = np.zeros((*met.shape, 3), dtype=np.float32)
        rgb[met] = self._colours(hits.face[met], hits.weights[met])
        depth = np.where(met, hits.distance, 0).astype(np.float32)
        return Render(torch.from_numpy(rgb), torch.from_numpy(met.astype(np.float32)), torch.from_numpy(depth))

    def _colours(self, face: Int[np.ndarray, "r"], weights: Float[np.ndarray, "r 3"]) -> Float[np.ndarray, "r 3"]:
        texture = self._mesh.texture
        if texture is None:
            return np.einsum("rk,rkc->rc", weights, self._mesh.rgb[self._mesh.faces[face]] / 255.0)
        uv = np.einsum("rk,rkc->rc", weights, texture.uv[texture.corners[face]])
        height, width = texture.image.shape[:2]
        return sampled(texture.image, uv[:, 0] * width, (1 - uv[:, 1]) * height) / 255.0


def sampled(image: np.ndarray, x: Float[np.ndarray, "r"], y: Float[np.ndarray, "r"]) -> Float[np.ndarray, "r c"]:
    """Values between the pixels' centres, which are at .5, by linear interpolation; the border goes on outside."""
    height, width = image.shape[:2]
    x, y = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    column, row = np.minimum(x.astype(np.int64), max(width - 2, 0)), np.minimum(y.astype(np.int64), max(height - 2, 0))
    right, below = np.minimum(column + 1, width - 1), np.minimum(row + 1, height - 1)
    s, t = (x - column)[:, None].astype(np.float32), (y - row)[:, None].astype(np.float32)
    upper = image[row, column] * (1 - s) + image[row, right] * s
    lower = image[below, column] * (1 - s) + image[below, right] * s
    return upper * (1 - t) + lower * t
