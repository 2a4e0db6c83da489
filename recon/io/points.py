"""Coloured points out of a PLY file: text or binary, any byte order, colours optional."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from recon.errors import InputError
from recon.io.ply_header import read_header
from recon.types import Points

__all__ = ["read_points"]


def read_points(path: Path) -> Points:
    """Points that are not finite are dropped; without colours they are gray."""
    header = read_header(path)
    names, kinds = header.names, header.kinds
    if not {"x", "y", "z"} <= set(names):
        raise InputError(f"{path} has no x, y, z for its vertices.", advice="Export the points again.")
    row = np.dtype(list(zip(names, kinds, strict=True)))
    with path.open("rb") as file:
        file.seek(header.data_start)
        if header.format == "ascii":
            lines = [line.split()[: len(names)] for _, line in zip(range(header.count), file, strict=False)]
            table = _numbers(path, lines, len(names))
            columns = dict(zip(names, table.T, strict=True))
        else:
            data = file.read(header.count * row.itemsize)
            vertices = np.frombuffer(data[: len(data) // row.itemsize * row.itemsize], dtype=row)
            columns = {name: vertices[name] for name in names}
    xyz = np.stack([columns[axis] for axis in "xyz"], axis=-1).astype(np.float64)
    rgb = _colours(columns, dict(zip(names, kinds, strict=True)), len(xyz))
    finite = np.isfinite(xyz).all(axis=1)
    return Points(torch.from_numpy(xyz[finite]), torch.from_numpy(rgb[finite]))


def _numbers(path: Path, lines: list[list[bytes]], width: int) -> np.ndarray:
    try:
        return np.array(lines, dtype=np.float64).reshape(-1, width)
    except ValueError as error:
        raise InputError(
            f"{path} has lines that are not {width} numbers.", advice="Export the points again."
        ) from error


def _colours(columns: dict[str, np.ndarray], kinds: dict[str, str], count: int) -> np.ndarray:
    for channels in (("red", "green", "blue"), ("r", "g", "b"), ("diffuse_red", "diffuse_green", "diffuse_blue")):
        if set(channels) <= set(columns):
            rgb = np.stack([columns[channel] for channel in channels], axis=-1).astype(np.float64)
            bright = 255.0 if kinds[channels[0]][-2] == "f" else 1.0  # floats are 0..1
            return np.clip(np.nan_to_num(rgb) * bright, 0, 255).round().astype(np.uint8)
    return np.full((count, 3), 128, dtype=np.uint8)
