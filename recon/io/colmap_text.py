"""cameras.txt, images.txt, points3D.txt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from recon.errors import InputError
from recon.io.colmap_model import ColmapImage, ColmapModel, ColmapPoints
from recon.io.disk import regular
from recon.io.lens import MODELS
from recon.types import Lens

__all__ = ["read_text"]


def read_text(folder: Path) -> ColmapModel:
    cameras = dict(_camera(path, line) for path, line in _lines(folder / "cameras.txt") if line.strip() != "")
    points = folder / "points3D.txt"
    rows = [_point(path, line) for path, line in _lines(points) if line.strip() != ""] if points.is_file() else []
    table = np.array([row[:7] for row in rows], dtype=np.float64).reshape(-1, 7)
    tracks = np.array([row[7] for row in rows], dtype=np.int64)
    held = ColmapPoints(table[:, :3], table[:, 3:6].astype(np.uint8), table[:, 6], tracks)
    return ColmapModel(cameras, tuple(_images(folder / "images.txt")), held)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Lines without comments, each with the words to name it by in an error."""
    text = regular(path).read_text(encoding="utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("#"):
            yield f"{path}, line {number}", line


def _camera(where: str, line: str) -> tuple[int, Lens]:
    try:
        number, model, width, height, *params = line.split()
        lens = Lens(model, int(width), int(height), tuple(float(value) for value in params))
        key = int(number)
    except ValueError as error:
        raise _damaged(where, line) from error
    if model not in MODELS:
        raise InputError(f"{where}: {model} is a camera model recon cannot undistort.", advice="Undistort with COLMAP.")
    if len(params) != len(MODELS[model][1]):
        raise _damaged(where, line)
    return key, lens


def _images(path: Path) -> Iterator[ColmapImage]:
    lines = _lines(path)
    for where, line in lines:
        if line.strip() == "":
            continue
        try:
            _, *pose, camera, name = line.split(maxsplit=9)
            qw, qx, qy, qz, x, y, z = (float(value) for value in pose)
            image = ColmapImage(name.strip(), int(camera), (qw, qx, qy, qz), (x, y, z))
        except ValueError as error:
            raise _damaged(where, line) from error
        next(lines, None)  # its keypoints, perhaps none
        yield image


def _point(where: str, line: str) -> list[float | int]:
    try:
        _, *values = line.split()
        x, y, z, red, green, blue, error = (float(value) for value in values[:7])
        if not all(0 <= channel <= 255 for channel in (red, green, blue)):
            raise ValueError("no colour")
    except ValueError as problem:
        raise _damaged(where, line) from problem
    return [x, y, z, red, green, blue, error, len(values[7:]) // 2]


def _damaged(where: str, line: str) -> InputError:
    return InputError(f"{where} makes no sense: {line[:60]!r}.", advice="Copy or export the model again.")
