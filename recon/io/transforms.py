"""nerfstudio's transforms.json and Blender's transforms_train.json, transforms_test.json to a `Reconstruction`.

The input frame is the one that `transform_matrix` is written in: what every program that opens the file sees, the frame
of its PLY, and where +z is up by custom. `applied_transform` only records how nerfstudio got there from COLMAP's frame
and is already in the numbers, so nothing is done with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float

from recon.errors import InputError
from recon.geometry import average_up, invert_similarity, similarity
from recon.io.masks import find_mask, mask_folders
from recon.io.parsing import parse_json
from recon.io.photos import inspect_all, reason_of
from recon.io.plausible import check_camera
from recon.io.points import read_points
from recon.io.transforms_lens import read_lens
from recon.types import LeftOut, Points, Reconstruction, View

__all__ = ["is_transforms", "read_transforms"]

_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])  # cameras there look along -z with +y up
_EXTENSIONS = (".png", ".jpg", ".jpeg", ".JPG", ".JPEG", ".PNG", ".webp", ".tif", ".tiff", ".bmp")
_POINT_FILES = ("sparse_pc.ply", "init.ply", "points3d.ply", "points3D.ply")
_MOSTLY_UP = np.cos(np.radians(20))

Split = Literal["train", "test"] | None


@dataclass(frozen=True)
class _Frame:
    """A frame that has a picture, before anybody looked into it."""

    name: str
    path: Path
    keys: Mapping[str, object]
    everywhere: Mapping[str, object]
    split: Split


def is_transforms(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("transforms.json", "transforms_train.json"))


def read_transforms(path: Path) -> Reconstruction:
    """The file, or what a folder holds: transforms.json, else transforms_train.json with its test (or val) file.

    Frames that cannot be used are left out with the reason. Paths may lack their extension, and may be absolute ones of
    another machine if they end like a file here; they may not lead out of the folder.
    """
    path = _file_in(path)
    folder = path.parent
    left_out: list[LeftOut] = []
    files = [(path, _read_json(path))]
    if path.name == "transforms_train.json":
        others = [folder / f"transforms_{name}.json" for name in ("test", "val")]
        files += [(other, _read_json(other)) for other in others if other.is_file()][:1]
    frames: dict[str, _Frame] = {}
    for file, content in files:
        for frame in _frames(file, content, left_out):
            if frame.name in frames:
                left_out.append(LeftOut(frame.name, "is listed twice; the first one is used."))
            else:
                frames[frame.name] = frame
    views = _views(list(frames.values()), folder, left_out)
    if len(views) == 0:
        listed = "; ".join(f"{file.name} {file.reason}" for file in left_out[:3])
        raise InputError(f"{path} has no frame that can be used: {listed}", advice="Correct the file or its pictures.")
    poses = np.stack([view.cam_from_input for view in views])
    up = average_up(poses)
    up = np.array([0.0, 0.0, 1.0]) if up[2] > _MOSTLY_UP else up
    return Reconstruction(tuple(views), _points(folder, files[0][1], left_out), tuple(left_out), up)


def _file_in(path: Path) -> Path:
    if path.is_file():
        return path
    for name in ("transforms.json", "transforms_train.json"):
        if (path / name).is_file():
            return path / name
    raise InputError(f"{path} holds no transforms.json.", advice="Pass the file, or the folder that holds it.")


def _read_json(path: Path) -> Mapping[str, object]:
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:  # also bytes that are no text
        raise InputError(f"{path} is not JSON, or is cut short: {error}.", advice="Export it again.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", advice="Check its permissions.") from error
    frames = content.get("frames") if isinstance(content, dict) else None
    if not isinstance(frames, list) or not all(isinstance(frame, dict) for frame in frames):
        raise InputError(f"{path} has no list of frames.", advice="Pass nerfstudio's or Blender's transforms.json.")
    if len(frames) == 0:
        raise InputError(f"{path} lists no frames.", advice="Export it again, with its photos.")
    return content


def _frames(file: Path, content: Mapping[str, object], left_out: list[LeftOut]) -> list[_Frame]:
    everywhere = {key: value for key, value in content.items() if key != "frames"}
    whole_file: Split = {"transforms_train.json": "train", "transforms_test.json": "test"}.get(file.name)  # pyright: ignore[reportAssignmentType] - of these
    whole_file = "test" if file.name == "transforms_val.json" else whole_file
    splits = _named_splits(everywhere)
    frames = []
    for keys in content["frames"]:  # pyright: ignore[reportGeneralTypeIssues] - a list, checked when read
        said = str(keys.get("file_path", ""))
        try:
            path = _picture(file.parent, said)
        except InputError as error:
            left_out.append(LeftOut(said or "a frame without file_path", error.message))
            continue
        name = path.relative_to(file.parent).as_posix()
        split = whole_file if len(splits) == 0 else splits.get(name, splits.get(PurePosixPath(said).as_posix()))
        frames.append(_Frame(name, path, keys, everywhere, split))
    return frames


def _named_splits(everywhere: Mapping[str, object]) -> dict[str, Split]:
    """nerfstudio's lists of file names. The validation list counts where there is no test list."""
    splits: dict[str, Split] = {}
    held = everywhere.get("test_filenames") or everywhere.get("val_filenames")
    for name in _names(everywhere.get("train_filenames")):
        splits[name] = "train"
    for name in _names(held):
        splits[name] = "test"
    return splits


def _names(listed: object) -> list[str]:
    """Without ./ in front."""
    return [PurePosixPath(str(name)).as_posix() for name in listed] if isinstance(listed, list) else []


def _picture(folder: Path, said: str) -> Path:
    """The file of a frame below `folder`."""
    windows = "\\" in said or PureWindowsPath(said).drive != ""
    parts = PureWindowsPath(said).parts if windows else PurePosixPath(said).parts
    absolute = PureWindowsPath(said).is_absolute() if windows else PurePosixPath(said).is_absolute()
    if len(parts) == 0:
        raise InputError("names no file.")
    starts = range(1, len(parts)) if absolute else range(1)
    if ".." in parts:
        raise InputError("leads out of the folder, which is not allowed.")
    for start in starts:
        candidate = folder.joinpath(*parts[start:])
        for extension in ("", *_EXTENSIONS):
            path = candidate.with_name(candidate.name + extension)
            if path.is_file():
                return path
    raise InputError("does not exist.")


def _views(frames: list[_Frame], folder: Path, left_out: list[LeftOut]) -> list[View]:
    views = []
    for frame, file in zip(frames, inspect_all([frame.path for frame in frames]), strict=True):
        try:
            if isinstance(file, InputError):
                raise file
            lens = read_lens(frame.keys, frame.everywhere, file.upright_size)
            cam_from_input = _pose(frame.keys.get("transform_matrix"))
            check_camera(lens, cam_from_input)
        except InputError as error:
            left_out.append(LeftOut(frame.name, reason_of(error, frame.path)))
            continue
        mask = _mask(frame, folder, left_out)
        views.append(View(frame.name, frame.path, lens, cam_from_input, frame.split, mask))
    return views


def _mask(frame: _Frame, folder: Path, left_out: list[LeftOut]) -> Path | None:
    """Of the frame; one that is named and cannot be used is named among what was left out, its photo counts whole."""
    said = frame.keys.get("mask_path")
    if said is None:
        return find_mask(frame.name, mask_folders(folder)[:1]) if (folder / "masks").is_dir() else None
    try:
        if not isinstance(said, str):
            raise InputError("is no text.")
        return _picture(folder, said)
    except InputError as error:
        left_out.append(LeftOut(str(said)[:80] or "mask_path", f"(a mask of {frame.name}) {error.message}"))
        return None


def _pose(matrix: object) -> Float[np.ndarray, "4 4"]:
    """cam_from_input of an OpenGL camera-to-world matrix, 4x4 or without its last row."""
    try:
        given = np.array(matrix, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("has a transform_matrix that is no matrix of numbers.") from error
    if given.shape not in ((4, 4), (3, 4)):
        raise InputError(f"has a transform_matrix of shape {'x'.join(map(str, given.shape))}, not 4x4.")
    if not np.isfinite(given).all():
        raise InputError("has a transform_matrix with values that are not numbers.")
    left, stretch, right = np.linalg.svd(given[:3, :3])
    rotation = left @ right
    if np.abs(stretch - 1).max() > 0.02 or np.linalg.det(rotation) < 0:
        raise InputError("has a transform_matrix that is no rotation and translation.")
    input_from_opengl = similarity(1.0, rotation, given[:3, 3])
    return invert_similarity(input_from_opengl @ _OPENGL_FROM_OPENCV)


def _points(folder: Path, content: Mapping[str, object], left_out: list[LeftOut]) -> Points:
    """The points that the file or a customary name offers; none if there are none or they are broken."""
    nothing = Points(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 3, dtype=torch.uint8))
    said = content.get("ply_file_path")
    if isinstance(said, str):
        try:
            return read_points(_picture(folder, said))
        except InputError as error:
            left_out.append(LeftOut(said, error.message))
            return nothing
    for name in _POINT_FILES:
        if (folder / name).is_file():
            return read_points(folder / name)
    return nothing
