"""Points with colours and normals into PLY and PCD files.

Positions are doubles where floats would round them visibly: in georeferenced frames, whose origin is far away.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

__all__ = ["OrientedPoints", "write_cloud"]

_ROUNDED = 1e-5
"""Share of the cloud's size that rounding may move a point by."""
_PLY = {"<f4": "float", "<f8": "double", "u1": "uchar"}
_PCD = {"<f4": ("4", "F"), "<f8": ("8", "F"), "<u4": ("4", "U")}


@dataclass(frozen=True)
class OrientedPoints:
    xyz: Float[np.ndarray, "p 3"]
    normals: Float[np.ndarray, "p 3"]
    rgb: UInt8[np.ndarray, "p 3"]

    def __len__(self) -> int:
        return len(self.xyz)

    def moved(self, b_from_a: Float[np.ndarray, "4 4"]) -> OrientedPoints:
        """In frame b, which differs by a similarity, or one that mirrors."""
        turned = self.normals @ b_from_a[:3, :3].T
        lengths = np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-30)
        return OrientedPoints(self.xyz @ b_from_a[:3, :3].T + b_from_a[:3, 3], turned / lengths, self.rgb)


def write_cloud(points: OrientedPoints, path: Path, *, suffix: str) -> None:
    """As `suffix` (.ply or .pcd) says, whatever `path` ends in; little endian."""
    path.write_bytes(_pcd(points) if suffix == ".pcd" else _ply(points))


def _ply(points: OrientedPoints) -> bytes:
    kind = _position_kind(points)
    columns = [(name, kind) for name in ("x", "y", "z")] + [(name, "<f4") for name in ("nx", "ny", "nz")]
    columns += [(name, "u1") for name in ("red", "green", "blue")]
    table = _filled(columns, [points.xyz, points.normals, points.rgb], len(points))
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(points)}"]
    lines += [*(f"property {_PLY[kind]} {name}" for name, kind in columns), "end_header", ""]
    return "\n".join(lines).encode("ascii") + table.tobytes()


def _pcd(points: OrientedPoints) -> bytes:
    kind = _position_kind(points)
    columns = [(name, kind) for name in ("x", "y", "z")] + [("rgb", "<u4")]
    columns += [(name, "<f4") for name in ("normal_x", "normal_y", "normal_z")]
    red, green, blue = points.rgb.astype(np.uint32).T
    packed = (red << 16 | green << 8 | blue)[:, None]
    table = _filled(columns, [points.xyz, packed, points.normals], len(points))
    sizes, types = zip(*(_PCD[kind] for _, kind in columns), strict=True)
    names = " ".join(name for name, _ in columns)
    lines = ["# .PCD v0.7 - Point Cloud Data file format", "VERSION 0.7", f"FIELDS {names}", f"SIZE {' '.join(sizes)}"]
    lines += [f"TYPE {' '.join(types)}", "COUNT " + " ".join("1" * len(columns)), f"WIDTH {len(points)}", "HEIGHT 1"]
    lines += ["VIEWPOINT 0 0 0 1 0 0 0", f"POINTS {len(points)}", "DATA binary", ""]
    return "\n".join(lines).encode("ascii") + table.tobytes()


def _filled(columns: list[tuple[str, str]], parts: list[np.ndarray], count: int) -> np.ndarray:
    table = np.empty(count, dtype=columns)
    values = np.concatenate([part.astype(np.float64) for part in parts], axis=1)
    for index, (name, _) in enumerate(columns):
        table[name] = values[:, index]
    return table


def _position_kind(points: OrientedPoints) -> str:
    if len(points) == 0:
        return "<f4"
    size = float((points.xyz.max(axis=0) - points.xyz.min(axis=0)).max())
    return "<f8" if np.spacing(np.float32(np.abs(points.xyz).max())) > _ROUNDED * size else "<f4"
