"""A mesh cut into charts, each seen as a whole by one photo, which lays it out flat; and the charts on one sheet.

No distortion is optimised: a chart is as large on the sheet as in its best photo. Source: Waechter et al. 2014 (Let
There Be Color), section 3, with smoothing by rounds in place of graph cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon.errors import InputError
from recon.mesh.mesh import Mesh
from recon.mesh.photographed import Photographed

__all__ = ["Layout", "best_photos", "lay_out", "neighbours"]

_ROUNDS = 12
_SMOOTH = 0.3
"""What a face gives up of its best photo's score for each neighbour that keeps the same photo."""
_GAPS = (2, 1, 0)
"""Texels around a chart, where there is room for so many around all of them."""
_LOST = 1.15
"""Area of a sheet over that of the charts packed onto it."""
_UNSEEN_SIDE = 3.0
"""Texels along a face that no photo shows."""


@dataclass(frozen=True)
class Layout:
    """Where every corner of every face is on the sheet, in texels from its upper left."""

    width: int
    height: int
    corners: Float[np.ndarray, "f 3 2"]
    chart: Int[np.ndarray, "f"]


def best_photos(mesh: Mesh, shown: Photographed) -> Int[np.ndarray, "f"]:
    """The photo that each face is laid out by, -1 where none shows it: the best, or nearly so, of its neighbours'."""
    most = shown.score.max(axis=0)
    photo = np.where(most > 0, shown.score.argmax(axis=0), -1)
    across, face = neighbours(mesh.faces), np.arange(len(mesh))
    random = np.random.default_rng(0)
    for _ in range(_ROUNDS):
        around = np.where(across >= 0, photo[across], -1)
        choices = np.concatenate([photo[:, None], around], axis=1)
        score = shown.score[np.maximum(choices, 0), face[:, None]] / np.maximum(most, 1e-12)[:, None]
        alike = (choices[:, :, None] == around[:, None, :]).sum(axis=2)
        value = np.where((choices >= 0) & (score > 0), score + _SMOOTH * alike, -1)
        better = choices[face, value.argmax(axis=1)]
        moving = (photo >= 0) & (random.random(len(mesh)) < 0.6)  # all at once, two neighbours would swap for ever
        photo = np.where(moving, better, photo)
    return photo


def lay_out(mesh: Mesh, photo: Int[np.ndarray, "f"], shown: Photographed, *, largest: int) -> Layout:
    """All charts on a sheet of at most `largest` texels a side, made smaller together where they do not fit.

    Raises `InputError` where there are more of them than the sheet has room for, however small they are.
    """
    chart = _charts(mesh, photo)
    flat = _flattened(mesh, photo, shown)
    count = int(chart.max()) + 1
    gap = _gap(count, largest)
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    for corner in range(3):
        np.minimum.at(low, chart, flat[:, corner])
        np.maximum.at(high, chart, flat[:, corner])
    scale = 1.0
    while True:
        size = np.ceil((high - low) * scale).astype(np.int64) + 2 * gap
        width = int(2 ** np.ceil(np.log2(max(np.sqrt(size.prod(axis=1).sum() * _LOST), size.max(), 16))))
        width = min(width, largest)
        place, height = _packed(size, width) if size[:, 0].max() <= width else (np.zeros((count, 2)), 4 * largest)
        if height <= largest:
            break
        scale *= max(0.5, min(0.95, (largest / height) ** 0.5))
    corners = (flat - low[chart][:, None]) * scale + (place + gap)[chart][:, None]
    return Layout(width, -(-height // 4) * 4, corners, chart)


def _gap(count: int, largest: int) -> int:
    for gap in _GAPS:
        if count * (1 + 2 * gap) ** 2 * _LOST <= largest**2:
            return gap
    raise InputError(
        f"The mesh falls into {count:,} pieces, more than a texture of {largest} pixels a side has room for.",
        advice="Give fewer --mesh.faces, a larger --mesh.texture-size, or 0 for colours of vertices.",
    )


def neighbours(faces: Int[np.ndarray, "f 3"]) -> Int[np.ndarray, "f 3"]:
    """The face across each edge, -1 where there is none. Where more than two meet, the first two are neighbours."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    order = np.lexsort((edges[:, 1], edges[:, 0]))
    first = np.ones(len(order), dtype=bool)
    first[1:] = (edges[order[1:]] != edges[order[:-1]]).any(axis=1)
    start = np.flatnonzero(first)
    several = np.diff(np.append(start, len(order))) >= 2
    one, other = order[start[several]], order[start[several] + 1]
    across = np.full(len(edges), -1)
    across[one], across[other] = other // 3, one // 3
    return across.reshape(-1, 3)


def _charts(mesh: Mesh, photo: Int[np.ndarray, "f"]) -> Int[np.ndarray, "f"]:
    """Connected faces with the same photo; a face that none shows is a chart of its own."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    across = neighbours(mesh.faces)
    face, edge = np.nonzero((across >= 0) & (photo[across] == photo[:, None]) & (photo[:, None] >= 0))
    graph = coo_matrix((np.ones(len(face), dtype=np.int8), (face, across[face, edge])), shape=(len(mesh), len(mesh)))
    return connected_components(graph, directed=False)[1]


def _flattened(mesh: Mesh, photo: Int[np.ndarray, "f"], shown: Photographed) -> Float[np.ndarray, "f 3 2"]:
    """Corners in pixels of each face's photo."""
    flat = np.tile(np.array([[0, 0], [1, 0], [0, 1]]) * _UNSEEN_SIDE, (len(mesh), 1, 1))
    for index in np.unique(photo[photo >= 0]):
        mine, camera = photo == index, shown.cameras[int(index)]
        pose = camera.cam_from_world.double().numpy()
        local = mesh.vertices[mesh.faces[mine]] @ pose[:3, :3].T + pose[:3, 3]
        focal, center = camera.focal.double().numpy(), camera.center.double().numpy()
        nearest = 0.05 * np.median(local[..., 2])  # a corner beside the camera would be laid out miles away
        flat[mine] = local[..., :2] / np.maximum(local[..., 2:], nearest) * focal + center
    return flat


def _packed(size: Int[np.ndarray, "m 2"], width: int) -> tuple[Int[np.ndarray, "m 2"], int]:
    """Rectangles on shelves, highest first: the upper left corner of each, and the height of all."""
    place = np.zeros_like(size)
    x = y = shelf = 0
    for index in np.lexsort((size[:, 0], size[:, 1]))[::-1].tolist():
        w, h = int(size[index, 0]), int(size[index, 1])
        if x + w > width:
            x, y, shelf = 0, y + shelf, 0
        place[index] = x, y
        x, shelf = x + w, max(shelf, h)
    return place, y + shelf
