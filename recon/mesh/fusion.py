"""Depth maps to one surface: the zero level of a truncated signed distance field on sparse blocks of voxels (open3d).

Source: Curless & Levoy 1996; Dong et al. 2022 (ASH) for the blocks.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError, RunError
from recon.mesh.mesh import Mesh
from recon.mesh.views import DepthView, Progress
from recon.ops.surface import pixel_rays

if TYPE_CHECKING:
    import open3d as o3d

__all__ = ["Field", "choose_voxel", "fuse"]

_SIDE = 8
"""Voxels along a block."""
_BLOCK_BYTES = _SIDE**3 * 4 * 5
_MOST_BLOCKS = 70_000
"""About 700 MB."""
_BLOCK_FACES = 64
"""Triangles that a block has, of those that hold a surface or lie beside one; measured in rooms."""
_TOO_MANY = 5
"""Times more triangles than wanted that are worth finding: decimation chooses where they are needed."""
_TRUNCATION = 5.0
"""Voxels on either side of a surface that a depth map speaks about."""
_FAR = 8.0
"""Depths beyond this many times the median are left out: sky, and what is seen from too far to have a shape."""
_SAMPLE = 4
"""Every so manieth pixel counts where the size is chosen."""


class Field:
    """The distance field of some views. World units."""

    def __init__(self, grid: o3d.t.geometry.VoxelBlockGrid, least_weight: float) -> None:
        self._grid, self._least = grid, least_weight

    def mesh(self) -> Mesh:
        with _empty_is_an_error():
            found = self._grid.extract_triangle_mesh(self._least)
            vertices = found.vertex.positions.numpy().astype(np.float64)
            faces = found.triangle.indices.numpy().astype(np.int64)
            colours = found.vertex.colors.numpy()
        if len(faces) == 0:
            raise _nothing_seen()
        return Mesh(vertices, faces, (np.clip(colours, 0, 1) * 255).round().astype(np.uint8))

    def points(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Points on the surface, their normals and their colours (uint8)."""
        with _empty_is_an_error():
            found = self._grid.extract_point_cloud(self._least)
            xyz, normals = found.point.positions.numpy(), found.point.normals.numpy()
            colours = found.point.colors.numpy()
        if len(xyz) == 0:
            raise _nothing_seen()
        return xyz.astype(np.float64), normals, (np.clip(colours, 0, 1) * 255).round().astype(np.uint8)


def fuse(views: list[DepthView], *, voxel: float, progress: Progress) -> Field:
    """One field of all views. What only one of four or more views saw has no surface."""
    import open3d as o3d
    from open3d.core import SizeVector, float32

    farthest = _farthest(views)
    if _blocks(torch.cat([_sampled(view) for view in views]), _spacing(views), voxel) > 3 * _MOST_BLOCKS:
        raise InputError(
            f"Surfaces found on so fine a grid take more than {3 * _MOST_BLOCKS * _BLOCK_BYTES / 1e9:.1f} GB.",
            advice="Give a larger --mesh.voxel, or leave it out.",
        )
    names, channels = ("tsdf", "weight", "color"), (SizeVector([1]), SizeVector([1]), SizeVector([3]))
    grid = o3d.t.geometry.VoxelBlockGrid(names, (float32,) * 3, channels, voxel, _SIDE, _MOST_BLOCKS // 2)
    for done, view in enumerate(views):
        progress(done / len(views), f"fusing {done + 1} of {len(views)}")
        depth = torch.where(view.depth < farthest, view.depth, 0)
        if not bool((depth > 0).any()):
            continue
        image = o3d.t.geometry.Image(np.ascontiguousarray(depth.numpy()[..., None]))
        colour = o3d.t.geometry.Image(np.ascontiguousarray(view.rgb.numpy().astype(np.float32) / 255))
        lens, pose = map(o3d.core.Tensor.from_numpy, (_matrix(view), view.camera.cam_from_world.double().numpy()))
        try:
            blocks = grid.compute_unique_block_coordinates(image, lens, pose, 1.0, farthest, _TRUNCATION)
        except RuntimeError as error:
            if "No block is touched" not in str(error):
                raise
            continue  # a few stray depths, all of them sampled away
        grid.integrate(blocks, image, colour, lens, pose, 1.0, farthest, _TRUNCATION)
    return Field(grid, 1.5 if len(views) >= 4 else 0.5)


def choose_voxel(views: list[DepthView], *, faces: int | None = None) -> float:
    """A pixel's size at the median depth, or more where the surface would not fit into memory. World units.

    Where only `faces` triangles are wanted in the end, the voxels need not be so small that most are thrown away.
    """
    points = torch.cat([_sampled(view) for view in views])
    if len(points) == 0:
        raise _nothing_seen()
    spacing = _spacing(views)
    voxel = spacing / _SAMPLE
    most = _MOST_BLOCKS if faces is None else min(_MOST_BLOCKS, max(_TOO_MANY * faces // _BLOCK_FACES, 100))
    while _blocks(points, spacing, voxel) > most:
        voxel *= 1.1
    return voxel


def _spacing(views: list[DepthView]) -> float:
    """The usual distance between neighbouring sampled points."""
    footprints = [view.depth[view.depth > 0].median() / view.camera.focal.mean() for view in views if view.depth.any()]
    if len(footprints) == 0:
        raise _nothing_seen()
    return _SAMPLE * float(torch.stack(footprints).median())


def _blocks(points: Float[Tensor, "p 3"], spacing: float, voxel: float) -> int:
    """About how many blocks the surface through these points takes: those that hold it, and their truncated sides."""
    side = max(_SIDE * voxel, spacing)  # finer than the points are apart, cells between them would be missed
    finer = (side / (_SIDE * voxel)) ** 2
    low = points.min(dim=0).values
    cell = ((points - low) / side).long()
    size = cell.max(dim=0).values + 1
    if float(size.double().prod()) > 2**62:
        return _MOST_BLOCKS + 1
    key = (cell[:, 0] * size[1] + cell[:, 1]) * size[2] + cell[:, 2]
    return int(len(torch.unique(key)) * finer * (1 + 2 * _TRUNCATION / _SIDE))


def _sampled(view: DepthView) -> Float[Tensor, "p 3"]:
    depth, rays = view.depth[::_SAMPLE, ::_SAMPLE], pixel_rays(view.camera)[::_SAMPLE, ::_SAMPLE]
    pose = view.camera.cam_from_world
    return ((depth[..., None] * rays - pose[:3, 3]) @ pose[:3, :3])[depth > 0]


def _farthest(views: list[DepthView]) -> float:
    depths = torch.cat([view.depth[::_SAMPLE, ::_SAMPLE].flatten() for view in views])
    depths = depths[depths > 0]
    if len(depths) == 0:
        raise _nothing_seen()
    return _FAR * float(depths.median())


def _matrix(view: DepthView) -> np.ndarray:
    """open3d takes the pixel that a projection falls into, so centres at .5 are its habit, too."""
    (fx, fy), (cx, cy) = view.camera.focal.tolist(), view.camera.center.tolist()
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], dtype=np.float64)


@contextlib.contextmanager
def _empty_is_an_error() -> Iterator[None]:
    """open3d raises a RuntimeError of its own where there is no surface at all."""
    try:
        yield
    except (RuntimeError, KeyError) as error:
        raise _nothing_seen() from error


def _nothing_seen() -> RunError:
    return RunError(
        "The cameras see no surface in this model.",
        advice="Train longer, or look at it first with recon view: an empty or foggy model has no mesh.",
    )
