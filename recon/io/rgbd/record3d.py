"""Folders as Record3D, an app for phones with LiDAR, shares them ("EXR + RGB"): metadata.json, rgb, depth.

Poses are quaternion xyzw and position of world_from_cam, ARKit's: metres, +y up, cameras that look along -z. K is
column by column, in pixels of w x h; depth/12.exr has metres, at a resolution of its own. Its .r3d files are not read:
they need a decompressor (LZFSE) that no well-kept package brings.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.geometry import rotation_from_quaternion, similarity
from recon.io.depth_file import MILLIMETRES, find_depth
from recon.io.order import natural_key
from recon.io.parsing import parse_json
from recon.io.rgbd.recording import DepthFile, Frame, Recording
from recon.types import LeftOut, Lens

__all__ = ["is_record3d", "read_record3d"]

_PHOTOS = (".jpg", ".jpeg", ".png")
_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
_AGAIN = 'Share it from Record3D again, as "EXR + RGB".'


def is_record3d(folder: Path) -> bool:
    return (folder / "metadata.json").is_file() and (folder / "rgb").is_dir()


def read_record3d(folder: Path) -> Recording:
    """Frames with a pose."""
    metadata = _metadata(folder / "metadata.json")
    names = sorted(
        (path.name for path in (folder / "rgb").iterdir() if path.suffix.lower() in _PHOTOS), key=natural_key
    )
    poses = _numbers(metadata, "poses", folder, (None, 7))
    lenses = _lenses(metadata, folder, len(names))
    frames, left_out = [], []
    for index, name in enumerate(names):
        photo = f"rgb/{name}"
        pose = poses[index] if index < len(poses) else np.full(7, np.nan)
        if not np.isfinite(pose).all() or np.linalg.norm(pose[:4]) < 0.5:
            left_out.append(LeftOut(photo, "has no pose: metadata.json says nothing of it."))
            continue
        found = find_depth(folder / "depth", name)
        depth = None if found is None else DepthFile(found, MILLIMETRES, lenses[index])
        frames.append(Frame(photo, lenses[index], _matrix(pose), depth))
    return Recording("Record3D", folder, tuple(frames), tuple(left_out), (0.0, 1.0, 0.0))


def _metadata(path: Path) -> dict[str, Any]:
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not JSON, or is cut short: {error}.", advice=_AGAIN) from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is not what Record3D writes.", advice=_AGAIN)
    return content


def _numbers(metadata: dict[str, Any], key: str, folder: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    try:
        values = np.array(metadata[key], dtype=np.float64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{folder / 'metadata.json'} has no {key} of numbers.", advice=_AGAIN) from error
    if values.ndim != len(shape) or any(
        want not in (None, size) for want, size in zip(shape, values.shape, strict=True)
    ):
        raise InputError(
            f"{folder / 'metadata.json'} has {key} of the shape {' x '.join(map(str, values.shape))}.", advice=_AGAIN
        )
    return values


def _lenses(metadata: dict[str, Any], folder: Path, count: int) -> list[Lens]:
    """Each frame's own where there are so many, else that of all."""
    width, height = (int(_numbers(metadata, key, folder, ())) for key in ("w", "h"))
    fx, _, _, _, fy, _, cx, cy, _ = _numbers(metadata, "K", folder, (9,)).tolist()
    rows = np.tile([fx, fy, cx, cy], (count, 1))
    if len(metadata.get("perFrameIntrinsicCoeffs") or ()) == count > 0:
        rows = _numbers(metadata, "perFrameIntrinsicCoeffs", folder, (count, 4))
    if not np.isfinite(rows).all() or (count > 0 and rows[:, :2].min() <= 0) or min(width, height) < 1:
        raise InputError(f"{folder / 'metadata.json'} holds no camera.", advice=_AGAIN)
    return [Lens("PINHOLE", width, height, tuple(row)) for row in rows.tolist()]


def _matrix(pose: Float[np.ndarray, "7"]) -> Float[np.ndarray, "4 4"]:
    x, y, z, w = pose[:4]
    return similarity(1.0, rotation_from_quaternion(np.array([w, x, y, z])), pose[4:]) @ _OPENGL_FROM_OPENCV
