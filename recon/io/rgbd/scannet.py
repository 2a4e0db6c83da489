"""Folders as ScanNet's SensReader writes them: color, depth, pose, intrinsic.

pose/12.txt is world_from_cam, of -inf where the tracker was lost; depth/12.png has millimetres at another resolution
than color/12.jpg, and intrinsics of its own. Source: Dai et al. 2017, and the reader in its repository.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.io.depth_file import MILLIMETRES
from recon.io.disk import regular
from recon.io.order import natural_key
from recon.io.rgbd.recording import DepthFile, Frame, Recording, numbers, read_lines, rigid
from recon.types import LeftOut, Lens

__all__ = ["is_scannet", "read_scannet"]

_PHOTOS = (".jpg", ".jpeg", ".png")


def is_scannet(folder: Path) -> bool:
    parts = all((folder / part).is_dir() for part in ("color", "depth", "pose"))
    return parts and (folder / "intrinsic" / "intrinsic_color.txt").is_file()


def read_scannet(folder: Path) -> Recording:
    """Frames with a pose."""
    names = sorted(
        (path.name for path in (folder / "color").iterdir() if path.suffix.lower() in _PHOTOS), key=natural_key
    )
    photos = [folder / "color" / name for name in names]
    lens = _lens(folder / "intrinsic" / "intrinsic_color.txt", photos)
    maps = sorted((folder / "depth").glob("*.png"))
    own = folder / "intrinsic" / "intrinsic_depth.txt"
    depth_lens = _lens(own, maps) if own.is_file() and len(maps) > 0 else lens
    frames, left_out = [], []
    for path in photos:
        name, map = f"color/{path.name}", folder / "depth" / f"{path.stem}.png"
        try:
            pose = _pose(folder / "pose" / f"{path.stem}.txt")
        except InputError as error:
            left_out.append(LeftOut(name, error.message))
            continue
        depth = DepthFile(map, MILLIMETRES, depth_lens) if map.is_file() else None
        frames.append(Frame(name, lens, pose, depth))
    return Recording("ScanNet", folder, tuple(frames), tuple(left_out), (0.0, 0.0, 1.0))


def _pose(path: Path) -> Float[np.ndarray, "4 4"]:
    if not path.is_file():
        raise InputError(f"has no pose: there is no {path.parent.name}/{path.name}.")
    pose = rigid(_matrix(path))
    if pose is None:
        raise InputError(f"has no pose: the tracker was lost, says {path.parent.name}/{path.name}.")
    return pose


def _matrix(path: Path) -> Float[np.ndarray, "4 4"]:
    values = numbers([word for row in read_lines(path, 1) for word in row], path)
    if len(values) != 16:
        raise InputError(f"{path} has {len(values)} numbers, not 4 x 4.", advice="Export the recording again.")
    return values.reshape(4, 4)


def _lens(path: Path, pictures: list[Path]) -> Lens:
    """The intrinsics of a file, whose numbers are pixels of these pictures."""
    matrix = _matrix(path)
    (fx, _, cx), (_, fy, cy) = matrix[0, :3], matrix[1, :3]
    if not np.isfinite(matrix[:2, :3]).all() or min(fx, fy) <= 0:
        raise InputError(f"{path} holds no camera.", advice="Export the recording again.")
    width, height = _size(pictures)
    middle = (float(cx) + 0.5, float(cy) + 0.5)  # theirs have the first pixel's centre at 0
    return Lens("PINHOLE", width, height, (float(fx), float(fy), *middle))


def _size(pictures: list[Path]) -> tuple[int, int]:
    from PIL import Image

    for path in pictures:
        try:
            with Image.open(regular(path)) as image:
                return image.size
        except OSError:
            continue
    raise InputError("None of the recording's pictures can be read.", advice="Copy them again.")
