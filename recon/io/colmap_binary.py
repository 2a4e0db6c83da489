"""cameras.bin, images.bin, points3D.bin. Our own reader: COLMAP's aborts the process on a file that was cut."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from recon.errors import InputError
from recon.io.colmap_model import ColmapImage, ColmapModel, ColmapPoints
from recon.io.disk import regular, write_whole
from recon.io.lens import MODELS
from recon.types import Lens

__all__ = ["read_binary", "write_binary"]

_BY_NUMBER = {number: (name, len(params)) for name, (number, params) in MODELS.items()}
_OTHERS = {11: "RAD_TAN_THIN_PRISM_FISHEYE", 12: "SIMPLE_DIVISION", 13: "DIVISION", 16: "EUCM", 17: "EQUIRECTANGULAR"}


class _Bytes:
    """A file's content, taken from the front; running out of it is an error with the file's name."""

    def __init__(self, path: Path) -> None:
        self.path, self.data, self.at = path, regular(path).read_bytes(), 0

    def take(self, form: str) -> tuple:
        size = struct.calcsize("<" + form)
        self.skip(size)
        return struct.unpack_from("<" + form, self.data, self.at - size)

    def skip(self, size: int) -> None:
        if self.at + size > len(self.data):
            raise self.damaged(f"it ends after {len(self.data)} bytes, in the middle of its data")
        self.at += size

    def count(self, smallest: int) -> int:
        """How many records follow, each of at least so many bytes."""
        (count,) = self.take("Q")
        if count * smallest > len(self.data) - self.at:
            raise self.damaged(f"it says {count} records but holds {len(self.data)} bytes")
        return count

    def name(self) -> str:
        end = self.data.find(b"\0", self.at)
        if end < 0 or end - self.at > 4096:
            raise self.damaged("an image's name has no end")
        name = self.data[self.at : end].decode("utf-8", errors="replace")
        self.at = end + 1
        return name

    def damaged(self, why: str) -> InputError:
        return InputError(f"{self.path} is damaged or no COLMAP file: {why}.", advice="Copy or export the model again.")


def read_binary(folder: Path) -> ColmapModel:
    cameras = _read_cameras(_Bytes(folder / "cameras.bin"))
    images = _read_images(_Bytes(folder / "images.bin"))
    points = folder / "points3D.bin"
    return ColmapModel(cameras, images, _read_points(_Bytes(points)) if points.is_file() else _as_points([], []))


def _read_cameras(file: _Bytes) -> dict[int, Lens]:
    cameras = {}
    for _ in range(file.count(24)):
        number, model, width, height = file.take("iiQQ")
        if model in _OTHERS:
            raise InputError(
                f"{file.path}: camera {number} is {_OTHERS[model]}, which recon cannot undistort.",
                advice="Undistort the photos with COLMAP (colmap image_undistorter) and pass its output.",
            )
        if model not in _BY_NUMBER:
            raise file.damaged(f"camera {number} has the unknown model {model}")
        name, size = _BY_NUMBER[model]
        cameras[number] = Lens(name, width, height, file.take(f"{size}d"))
    return cameras


def _read_images(file: _Bytes) -> tuple[ColmapImage, ...]:
    images = []
    for _ in range(file.count(73)):
        _, *pose, camera = file.take("i7di")
        images.append(ColmapImage(file.name(), camera, tuple(pose[:4]), tuple(pose[4:])))
        file.skip(file.count(24) * 24)
    return tuple(images)


def _read_points(file: _Bytes) -> ColmapPoints:
    rows, tracks = [], []
    for _ in range(file.count(51)):
        _, *row = file.take("Q3d3Bd")
        rows.append(row)
        tracks.append(file.count(8))
        file.skip(tracks[-1] * 8)
    return _as_points(rows, tracks)


def _as_points(rows: list[list[float | int]], tracks: list[int]) -> ColmapPoints:
    table = np.array(rows, dtype=np.float64).reshape(-1, 7)
    return ColmapPoints(table[:, :3], table[:, 3:6].astype(np.uint8), table[:, 6], np.array(tracks, dtype=np.int64))


def write_binary(folder: Path, model: ColmapModel) -> None:
    """The three files. Images keep no keypoints and points no tracks: the model says where, not why."""
    _write(folder / "cameras.bin", (_pack_camera(number, lens) for number, lens in model.cameras.items()))
    _write(folder / "images.bin", (_pack_image(number, image) for number, image in enumerate(model.images, 1)))
    points = model.points
    rows = zip(points.xyz.tolist(), points.rgb.tolist(), points.error.tolist(), strict=True)
    _write(
        folder / "points3D.bin",
        (struct.pack("<Q3d3BdQ", number, *xyz, *rgb, error, 0) for number, (xyz, rgb, error) in enumerate(rows, 1)),
    )


def _pack_camera(number: int, lens: Lens) -> bytes:
    head = struct.pack("<iiQQ", number, MODELS[lens.model][0], lens.width, lens.height)
    return head + struct.pack(f"<{len(lens.params)}d", *lens.params)


def _pack_image(number: int, image: ColmapImage) -> bytes:
    head = struct.pack("<i7di", number, *image.quaternion, *image.translation, image.camera)
    return head + image.name.encode() + b"\0" + struct.pack("<Q", 0)


def _write(path: Path, records: Iterable[bytes]) -> None:
    packed = list(records)
    write_whole(path, struct.pack("<Q", len(packed)) + b"".join(packed))
