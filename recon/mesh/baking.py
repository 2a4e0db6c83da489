"""Photos onto a mesh: every texel takes its colour from the photos that show it best, so that no seam is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from recon.mesh.charts import Layout, best_photos, lay_out
from recon.mesh.mesh import Mesh, Texture
from recon.mesh.photographed import Photographed, photographed, project
from recon.mesh.sight import Sight, sampled
from recon.mesh.views import Progress
from recon.types import Cameras, Picture

__all__ = ["textured"]

_SHARPNESS = 4
"""Power of a photo's score in the mean: the best one decides, others smooth the change from one to the next."""
_WORTH = 0.3
"""Photos whose score for a face is below this share of the best are left out."""
_ROWS = 256
"""Rows of the sheet that are looked up together."""
_MARGIN = 3
"""Texels that colours are carried on over the edges of charts, for viewers that look between texels."""


@dataclass(frozen=True)
class _Texels:
    """Those that lie on a face."""

    row: Int[np.ndarray, "t"]
    column: Int[np.ndarray, "t"]
    face: Int[np.ndarray, "t"]
    weights: Float[np.ndarray, "t 3"]

    def between(self, values: Float[np.ndarray, "v c"], faces: Int[np.ndarray, "f 3"]) -> Float[np.ndarray, "t c"]:
        """Values of the mesh's vertices at the texels."""
        corners = faces[self.face]
        a, b, c = (self.weights[:, i, None] * values[corners[:, i]].astype(np.float32) for i in range(3))
        return a + b + c


def textured(
    mesh: Mesh, cameras: Cameras, picture: Callable[[int], Picture], *, largest: int, progress: Progress
) -> Mesh:
    """The mesh with a texture of at most `largest` texels a side, from the pictures that the cameras took.

    What no picture shows has the colours of the vertices.
    """
    shown = photographed(mesh, cameras, progress=lambda done, what: progress(0.3 * done, what))
    progress(0.3, "cutting charts")
    layout = lay_out(mesh, best_photos(mesh, shown), shown, largest=largest)
    texels = _texels(layout)
    rgb = _baked(mesh, texels, shown, picture, progress=lambda done, what: progress(0.35 + 0.6 * done, what))
    progress(0.95, "filling gaps")
    image = np.zeros((layout.height, layout.width, 3), dtype=np.uint8)
    known = np.zeros(image.shape[:2], dtype=bool)
    image[texels.row, texels.column] = rgb
    known[texels.row, texels.column] = True
    uv = layout.corners.reshape(-1, 2) / [layout.width, layout.height]
    uv[:, 1] = 1 - uv[:, 1]
    corners, places = np.unique(uv.round(7), axis=0, return_inverse=True)
    return replace(mesh, texture=Texture(_carried_on(image, known), corners, places.reshape(-1, 3)))


def _texels(layout: Layout) -> _Texels:
    """By rays onto the sheet itself."""
    corners = np.concatenate([layout.corners, np.zeros((*layout.corners.shape[:2], 1))], axis=-1).reshape(-1, 3)
    sheet = Sight(corners, np.arange(len(corners)).reshape(-1, 3))
    found = []
    for top in range(0, layout.height, _ROWS):
        row, column = np.mgrid[top : min(top + _ROWS, layout.height), : layout.width]
        above = np.stack([column + 0.5, row + 0.5, np.full(row.shape, -1.0)], axis=-1)
        hits = sheet.cast(above, np.broadcast_to([0.0, 0.0, 1.0], above.shape))
        on = hits.face >= 0
        found.append((row[on], column[on], hits.face[on], hits.weights[on]))
    return _Texels(*(np.concatenate(parts) for parts in zip(*found, strict=True)))


def _baked(
    mesh: Mesh, texels: _Texels, shown: Photographed, picture: Callable[[int], Picture], *, progress: Progress
) -> UInt8[np.ndarray, "t 3"]:
    points = texels.between(mesh.vertices, mesh.faces)
    normals = texels.between(mesh.vertex_normals, mesh.faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-9)
    most = shown.score.max(axis=0)
    colour, weight = np.zeros_like(points), np.zeros(len(points), dtype=np.float32)
    for index in range(len(shown.cameras)):
        progress(index / len(shown.cameras), f"texture from photo {index + 1} of {len(shown.cameras)}")
        worth = (shown.score[index] > _WORTH * most)[texels.face]
        mine = np.flatnonzero(worth)
        if len(mine) == 0:
            continue
        camera = shown.cameras[index]
        seen = project(points[mine], normals[mine], camera, shown.depth[index])
        mine, visible = mine[seen.visible], seen.visible
        rgb, trusted = _looked_up(picture(index), camera, seen.x[visible], seen.y[visible])
        good = seen.cosine[visible] ** 2 * float(camera.focal.prod()) / seen.z[visible] ** 2
        good *= mesh.face_areas[texels.face[mine]] / most[texels.face[mine]]
        share = (trusted * good**_SHARPNESS).astype(np.float32)
        colour[mine] += share[:, None] * rgb
        weight[mine] += share
    blank = weight < 1e-6
    colour[~blank] /= weight[~blank, None]
    colour[blank] = texels.between(mesh.rgb.astype(np.float32), mesh.faces)[blank]
    return colour.clip(0, 255).round().astype(np.uint8)


def _looked_up(
    picture: Picture, camera: Cameras, x: Float[np.ndarray, "t"], y: Float[np.ndarray, "t"]
) -> tuple[Float[np.ndarray, "t 3"], Float[np.ndarray, "t"]]:
    """Colours at positions of the camera's image, and how far they are to be trusted."""
    height, width = picture.rgb.shape[:2]
    x, y = x * width / int(camera.width), y * height / int(camera.height)
    trusted = np.ones(len(x), dtype=np.float32)
    for part in (picture.alpha, picture.mask):
        if part is not None:
            trusted *= (sampled(part.numpy()[..., None], x, y)[:, 0] > 250).astype(np.float32)
    border = np.minimum.reduce([x, y, width - x, height - y])
    return sampled(picture.rgb.numpy(), x, y), trusted * np.clip(border / (0.05 * min(width, height)), 0.05, 1)


def _carried_on(image: UInt8[np.ndarray, "h w 3"], known: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, "h w 3"]:
    """Unknown texels take a known neighbour's colour, for a few rounds; the rest the mean."""
    image, known = image.copy(), known.copy()
    mean = image[known].mean(axis=0) if known.any() else np.zeros(3)
    for _ in range(_MARGIN):
        before, had = image.copy(), known.copy()
        for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
            take = np.roll(had, step, axis) & ~known
            image[take] = np.roll(before, step, axis)[take]
            known |= take
    image[~known] = mean.round().astype(np.uint8)
    return image
