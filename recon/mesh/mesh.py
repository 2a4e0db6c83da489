"""The nouns of this folder. Letters: `v` vertices, `f` faces, `c` corners of the texture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int, UInt8

__all__ = ["Mesh", "Texture"]


@dataclass(frozen=True)
class Texture:
    """A picture and where in it each face is. The picture's first row is at v = 1, as OBJ and trimesh have it."""

    image: UInt8[np.ndarray, "h w 3"]
    """sRGB."""
    uv: Float[np.ndarray, "c 2"]
    """0 to 1."""
    corners: Int[np.ndarray, "f 3"]
    """Rows of `uv`, face by face: a vertex on a seam has several."""


@dataclass(frozen=True)
class Mesh:
    """Triangles, counter-clockwise seen from outside."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]
    rgb: UInt8[np.ndarray, "v 3"]
    texture: Texture | None = None

    def __len__(self) -> int:
        return len(self.faces)

    @property
    def face_normals(self) -> Float[np.ndarray, "f 3"]:
        """Unit vectors outwards; zero for faces without area."""
        cross = self._cross()
        return cross / np.maximum(np.linalg.norm(cross, axis=-1, keepdims=True), 1e-30)

    @property
    def vertex_normals(self) -> Float[np.ndarray, "v 3"]:
        """Unit vectors outwards, means over the faces around by their area; zero for vertices without any."""
        normals = np.zeros_like(self.vertices)
        cross = self._cross()
        for corner in range(3):
            np.add.at(normals, self.faces[:, corner], cross)
        return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-30)

    @property
    def face_areas(self) -> Float[np.ndarray, "f"]:
        return np.linalg.norm(self._cross(), axis=-1) / 2

    def keep(self, faces: np.ndarray) -> Mesh:
        """Only these faces (a mask or indices), and the vertices they need."""
        assert self.texture is None
        chosen = self.faces[faces]
        used, places = np.unique(chosen, return_inverse=True)
        return Mesh(self.vertices[used], places.reshape(-1, 3), self.rgb[used])

    def moved(self, b_from_a: Float[np.ndarray, "4 4"]) -> Mesh:
        """In frame b. A reflection turns the faces round, so that outside stays outside."""
        vertices = self.vertices @ b_from_a[:3, :3].T + b_from_a[:3, 3]
        if np.linalg.det(b_from_a[:3, :3]) > 0:
            return replace(self, vertices=vertices)
        texture = self.texture and replace(self.texture, corners=self.texture.corners[:, ::-1].copy())
        return Mesh(vertices, self.faces[:, ::-1].copy(), self.rgb, texture)

    def _cross(self) -> Float[np.ndarray, "f 3"]:
        a, b, c = (self.vertices[self.faces[:, i]] for i in range(3))
        return np.cross(b - a, c - a)
