"""The things in a scanned room: what stands on its floor and tables, each as a cloud of its own.

Large planes go first, floors, walls and table tops, as long as they hold a good share of the points, and with a level
one what hangs under it: the edge and the underside of a table. What is left falls apart into things where there is air
between them (open3d: RANSAC planes; DBSCAN, Ester et al. 1996). Sheets are no things: pieces of walls that are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon.errors import InputError
from recon.priors.clouds.facing import box_angle

__all__ = ["Box", "Objects", "find_objects"]

_MOST_POINTS = 60_000
"""Points that are looked at; larger clouds are thinned on a grid."""
_FLATNESS = 0.006
"""Distance from a plane, in sizes of the scene, that belongs to it."""
_GAP = 0.015
"""Air between two things, in sizes of the scene."""
_PLANE = 0.12
"""Share of the points that makes a plane a support."""
_MOST_PLANES = 6
_LEVEL = np.cos(np.radians(10))
"""Least cosine between up and the normal of a plane that things stand on."""
_EDGE = 0.1
"""How far under a level plane, in sizes of the scene, points still belong to it."""
_FOOTPRINT = 0.02
"""Cells of a level plane seen from above, in sizes of the scene; it reaches two beyond its points."""
_SHEET = 0.03
"""Thinnest over longest extent, below which points are a sheet."""
_FEWEST = 150
"""Points of a thing."""
_SMALLEST = 0.03
"""Longest side of a thing, in sizes of the scene; below it is a crumb."""


@dataclass(frozen=True)
class Box:
    """A box that stands upright, turned about the up axis to be the smallest."""

    center: Float[np.ndarray, "3"]
    size: Float[np.ndarray, "3"]
    """Along its own axes."""
    axes: Float[np.ndarray, "3 3"]
    """Rows: two level axes, then up."""

    @property
    def corners(self) -> Float[np.ndarray, "8 3"]:
        signs = np.stack(np.meshgrid(*3 * [(-0.5, 0.5)], indexing="ij"), axis=-1).reshape(8, 3)
        return self.center + signs * self.size @ self.axes


@dataclass(frozen=True)
class Objects:
    """What every point belongs to."""

    owner: Int[np.ndarray, "p"]
    """The number of the thing; -1 for supports and crumbs."""
    boxes: tuple[Box, ...]

    def __len__(self) -> int:
        return len(self.boxes)


def find_objects(xyz: Float[np.ndarray, "p 3"], *, up: Float[np.ndarray, "3"]) -> Objects:
    """The things among finite points, largest first. `up` is a unit vector. The same answer every time."""
    if len(xyz) < _FEWEST:
        raise InputError(f"{len(xyz)} points are too few to look for objects in.", advice="Scan or train longer.")
    size = _size(xyz)
    if not size > 0:
        raise InputError("All points are at one place.", advice="Give a cloud with a size.")
    thinned, of_point = _thinned(xyz, size)
    left = np.flatnonzero(_without_planes(thinned, size, up))
    label = np.full(len(thinned), -1)
    if len(left) > 0:
        label[left] = _clusters(thinned[left], _GAP * size)
    owner = label[of_point]
    found = [i for i in range(label.max() + 1) if _is_thing(xyz[owner == i], size)]
    found.sort(key=lambda i: -int((owner == i).sum()))
    renamed = np.full(label.max() + 2, -1)
    renamed[found] = np.arange(len(found))
    owner = renamed[owner]
    return Objects(owner, tuple(_box(xyz[owner == i], up) for i in range(len(found))))


def _size(xyz: np.ndarray) -> float:
    """The diagonal of what holds nearly all points: strays do not count."""
    low, high = np.percentile(xyz, (1, 99), axis=0)
    return float(np.linalg.norm(high - low))


def _thinned(xyz: np.ndarray, size: float) -> tuple[np.ndarray, np.ndarray]:
    """One point for each occupied cell of a grid, their mean, and the cell of every point."""
    cell = 0.002 * size
    while True:
        keys = np.floor((xyz - xyz.min(axis=0)) / cell).astype(np.int64)
        _, of_point, counts = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
        of_point = of_point.reshape(-1)
        if len(counts) <= _MOST_POINTS:
            sums = np.stack([np.bincount(of_point, weights=xyz[:, axis]) for axis in range(3)], axis=1)
            return sums / counts[:, None], of_point
        cell *= 1.3


def _without_planes(xyz: np.ndarray, size: float, up: np.ndarray) -> np.ndarray:
    """Whether each point lies on no large plane, and under no level one."""
    import open3d as o3d

    left = np.ones(len(xyz), dtype=bool)
    for _ in range(_MOST_PLANES):
        rows = np.flatnonzero(left)
        if len(rows) < _FEWEST:
            break
        o3d.utility.random.seed(0)
        cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz[rows]))
        (*normal, offset), inside = cloud.segment_plane(
            _FLATNESS * size, ransac_n=3, num_iterations=1000, probability=1.0
        )
        if len(inside) < _PLANE * len(xyz):
            break
        left[rows[np.asarray(inside)]] = False
        cosine = float(np.dot(normal, up))
        if abs(cosine) > _LEVEL:
            height = (xyz @ np.array(normal) + offset) * np.sign(cosine)
            hanging = (height < 0) & (height > -_EDGE * size)
            left &= ~(hanging & _within(xyz, xyz[rows[np.asarray(inside)]], up, _FOOTPRINT * size))
    return left


def _within(xyz: np.ndarray, plane: np.ndarray, up: np.ndarray, cell: float) -> np.ndarray:
    """Whether each point lies over or under the points of a level plane, or two cells beside them."""
    from scipy.ndimage import binary_dilation

    across = _level_axes(up)
    low = plane @ across.T
    first = low.min(axis=0) - 3 * cell
    covered = np.zeros(np.ceil((np.ptp(low, axis=0)) / cell).astype(int) + 7, dtype=bool)
    covered[tuple(((low - first) / cell).astype(int).T)] = True
    covered = binary_dilation(covered, iterations=2)
    at = np.floor((xyz @ across.T - first) / cell).astype(int)
    inside = ((at >= 0) & (at < covered.shape)).all(axis=1)
    at[~inside] = 0
    return inside & covered[tuple(at.T)]


def _clusters(xyz: np.ndarray, gap: float) -> np.ndarray:
    """The number of the cluster of every point, -1 for none."""
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz))
    return np.asarray(cloud.cluster_dbscan(eps=gap, min_points=8))


def _is_thing(xyz: np.ndarray, size: float) -> bool:
    if len(xyz) < _FEWEST or not float((xyz.max(axis=0) - xyz.min(axis=0)).max()) >= _SMALLEST * size:
        return False
    extents = np.sqrt(np.linalg.eigvalsh(np.cov(xyz.T)).clip(min=0))
    return bool(extents[0] > _SHEET * extents[2])


def _box(xyz: np.ndarray, up: np.ndarray) -> Box:
    """The smallest seen from above."""
    side, other = _level_axes(up)
    angle = box_angle(xyz @ np.stack([side, other]).T)
    first = np.cos(angle) * side + np.sin(angle) * other
    axes = np.stack([first, np.cross(up, first), up])
    along = xyz @ axes.T
    low, high = along.min(axis=0), along.max(axis=0)
    return Box(((low + high) / 2) @ axes, high - low, axes)


def _level_axes(up: np.ndarray) -> Float[np.ndarray, "2 3"]:
    side = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    side /= np.linalg.norm(side)
    return np.stack([side, np.cross(up, side)])
