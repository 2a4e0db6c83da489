"""Points out of PCD files, version 0.7: text, binary, and binary compressed by open3d.

Source: pointclouds.org, "The PCD (Point Cloud Data) file format".
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

__all__ = ["read_pcd"]

_LONGEST_HEADER = 1 << 14
_KINDS = {"F": "f", "I": "i", "U": "u"}


def read_pcd(path: Path) -> Float[np.ndarray, "p 3"]:
    """x, y, z as they stand, NaN included. Raises `ValueError` where the file is not what its header says."""
    with path.open("rb") as file:
        header = _header(file.read(_LONGEST_HEADER))
        fields, count, form = header["FIELDS"], int(header["POINTS"][0]), header["DATA"][0]
        if not {"x", "y", "z"} <= set(fields):
            raise ValueError("it has no x, y, z")
        file.seek(int(header["START"][0]))
        if form == "binary":
            return _columns(np.frombuffer(file.read(), _row(header), count=count))
        if form == "ascii":
            counts = [int(times) for times in header.get("COUNT", ["1"] * len(fields))]
            first = dict(zip(fields, np.cumsum([0, *counts[:-1]]), strict=True))
            lines = [line.split() for _, line in zip(range(count), file, strict=False)]
            if len(lines) < count:
                raise ValueError(f"it is cut short: it says {count} points")
            table = np.array([[line[first[axis]] for axis in "xyz"] for line in lines if line], dtype=np.float64)
            return table.reshape(-1, 3)
    if form != "binary_compressed":
        raise ValueError(f"its data is {form!r}")
    return _uncompressed(path, header, count)


def _header(start: bytes) -> dict[str, list[str]]:
    header: dict[str, list[str]] = {}
    at = 0
    while "DATA" not in header:
        end = start.find(b"\n", at)
        if end < 0:
            raise ValueError("it has no DATA line")
        words = start[at:end].decode("latin-1").split()
        at = end + 1
        if len(words) > 1 and not words[0].startswith("#"):
            header[words[0]] = words[1:]
    missing = [name for name in ("FIELDS", "SIZE", "TYPE", "POINTS") if name not in header]
    if missing:
        raise ValueError(f"its header lacks {missing[0]}")
    return header | {"START": [str(at)]}


def _row(header: dict[str, list[str]]) -> np.dtype:
    counts = header.get("COUNT", ["1"] * len(header["FIELDS"]))
    parts = zip(header["FIELDS"], header["TYPE"], header["SIZE"], counts, strict=True)
    return np.dtype(
        [  # padding has one name everywhere
            (name if name in "xyz" else f"{name}{i}", f"<{_KINDS[kind]}{int(size)}", (int(times),))
            for i, (name, kind, size, times) in enumerate(parts)
        ]
    )


def _columns(rows: np.ndarray) -> Float[np.ndarray, "p 3"]:
    return np.concatenate([rows[axis][:, :1] for axis in "xyz"], axis=1).astype(np.float64)


def _uncompressed(path: Path, header: dict[str, list[str]], count: int) -> Float[np.ndarray, "p 3"]:
    import open3d as o3d

    start = int(header["START"][0])
    with path.open("rb") as file:
        file.seek(start)
        sizes = np.frombuffer(file.read(8), "<u4")
    follow = path.stat().st_size - start - 8
    if len(sizes) < 2 or int(sizes[0]) > follow or int(sizes[1]) != count * _row(header).itemsize:
        raise ValueError(f"it is damaged: it says {count} points, and {max(follow, 0)} bytes of them follow")
    cloud = o3d.io.read_point_cloud(path, remove_nan_points=False, remove_infinite_points=False)
    if len(cloud.points) != count:
        raise ValueError(f"it is damaged: it says {count} points")
    return np.asarray(cloud.points)
