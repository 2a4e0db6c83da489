"""Places in space out of whatever holds them: scans (.ply, .pcd, .xyz), arrays (.npy, .npz), the surfaces of meshes.

Arrays may hold many clouds, `[clouds, points, 3 or more]`; the first three columns are x, y, z. A mesh gives points
spread evenly over its faces, the same ones each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.io.numpy_file import read_numpy
from recon.io.pcd import read_pcd
from recon.io.ply_header import read_header
from recon.io.points import read_points

__all__ = ["SUFFIXES", "Cloud", "read_clouds"]

_MESHES = (".glb", ".gltf", ".obj", ".off", ".stl")
_TEXTS = (".xyz", ".txt", ".pts", ".csv")
SUFFIXES = (".ply", ".pcd", *_TEXTS, ".npy", ".npz", *_MESHES)
_ON_A_MESH = 20_000
"""Points spread over a mesh."""
_FARTHEST = 1e12
"""Of any unit: the Earth is 1e10 millimetres wide."""


@dataclass(frozen=True)
class Cloud:
    """Finite points of one file, or of one row of an array of clouds."""

    xyz: Float[np.ndarray, "p 3"]
    not_finite: int = 0
    """Points that were left out because they are NaN or infinite."""
    y_up: bool = False
    """The format says that +y is up; others say nothing."""


def read_clouds(path: Path) -> list[Cloud]:
    """Every cloud of a file. Raises `InputError` where it is none that recon reads."""
    suffix = path.suffix.lower()
    if path.is_dir():
        raise InputError(f"{path} is a folder, and none that recon train wrote.", advice="Pass the files in it.")
    if suffix not in SUFFIXES:
        raise InputError(f"{path} is no point cloud that recon reads.", advice=f"It reads {', '.join(SUFFIXES)}.")
    if not path.is_file():
        raise InputError(f"{path} does not exist or is no file.", advice="Check the path.")
    try:
        if suffix in (".npy", ".npz"):
            return [_finite(rows) for rows in _arrays(path)]
        if suffix == ".ply":
            return [_ply(path)]
        if suffix == ".pcd":
            return [_finite(read_pcd(path))]
        return [_finite(_text(path)) if suffix in _TEXTS else _surface(path)]
    except (OSError, ValueError, KeyError, IndexError, TypeError, OverflowError, EOFError) as error:
        raise InputError(f"{path} cannot be read as points: {error}.", advice="Copy or export it again.") from error


def _finite(rows: np.ndarray, *, y_up: bool = False) -> Cloud:
    xyz = np.asarray(rows, dtype=np.float64)[:, :3]
    good = np.isfinite(xyz).all(axis=1)
    return Cloud(_near(xyz[good]), int((~good).sum()), y_up)


def _near(places: np.ndarray) -> np.ndarray:
    """The same, if distances between them can be computed."""
    farthest = float(np.abs(places).max(initial=0))
    if farthest > _FARTHEST:
        raise ValueError(f"it has a coordinate of {farthest:.0e}, and no thing is as far away as {_FARTHEST:.0e}")
    return places


def _arrays(path: Path) -> np.ndarray:
    """`[clouds, points, 3 or more]`"""
    array = read_numpy(path, lambda names: "points" if "points" in names else names[0])
    if array.dtype.kind not in "fiu" or array.ndim not in (2, 3) or array.shape[-1] < 3:
        raise ValueError(f"it holds {array.dtype} of shape {array.shape}, not [points, 3] or [clouds, points, 3]")
    return array if array.ndim == 3 else array[None]


def _ply(path: Path) -> Cloud:
    header = read_header(path)
    if header.faces > 0:
        return _surface(path)
    xyz = read_points(path).xyz.numpy()
    return Cloud(_near(xyz), header.count - len(xyz))


def _text(path: Path) -> np.ndarray:
    """The first three numbers of every line, however they are divided. Lines of words are passed by."""
    lines = [line.replace(",", " ").replace(";", " ").split()[:3] for line in path.read_text().splitlines()]
    numbers = [line for line in lines if len(line) == 3 and _is_number(line[0])]
    if len(numbers) == 0:
        raise ValueError("it has no line of three numbers")
    return np.array(numbers, dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _surface(path: Path) -> Cloud:
    import trimesh

    try:
        mesh: Any = trimesh.load(path, force="mesh", process=False)
    except Exception as error:  # trimesh has no exception of its own: a broken file raises whatever it stumbles over
        raise ValueError(str(error) or type(error).__name__) from error
    y_up = path.suffix.lower() in (".glb", ".gltf")
    faces = np.asarray(getattr(mesh, "faces", ()))
    if len(faces) == 0:
        return _finite(np.asarray(getattr(mesh, "vertices", np.zeros((0, 3)))), y_up=y_up)
    corners = np.asarray(mesh.vertices, dtype=np.float64)[faces]
    return _finite(_spread(_near(corners[np.isfinite(corners).all(axis=(1, 2))])), y_up=y_up)


def _spread(corners: Float[np.ndarray, "f 3 3"]) -> Float[np.ndarray, "p 3"]:
    """Points uniform over triangles."""
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    if not area.sum() > 0:
        return corners.reshape(-1, 3)
    random = np.random.default_rng(0)
    triangle = corners[random.choice(len(corners), _ON_A_MESH, p=area / area.sum())]
    u, v = random.random((2, _ON_A_MESH, 1))
    u, v = np.where(u + v > 1, 1 - u, u), np.where(u + v > 1, 1 - v, v)
    return triangle[:, 0] + u * (triangle[:, 1] - triangle[:, 0]) + v * (triangle[:, 2] - triangle[:, 0])
