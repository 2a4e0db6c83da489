"""Folders of the TUM RGB-D benchmark, which ETH3D's SLAM benchmark shares.

rgb.txt and depth.txt list files by the time they were taken, groundtruth.txt where the camera was: time, position,
quaternion xyzw of world_from_cam. Depth is registered to the photos. Source: Sturm et al. 2012, "A Benchmark for the
Evaluation of RGB-D SLAM Systems", and its page on file formats.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.geometry import rotation_from_quaternion, similarity
from recon.io.rgbd.recording import DepthFile, Frame, Recording, inside, numbers, read_lines
from recon.types import LeftOut, Lens

__all__ = ["is_tum", "read_tum"]

_STEPS = 5000.0
"""Of a depth PNG in a metre."""
_APART = 0.02
"""Seconds between a photo and its map, or its pose, as the benchmark's own associate.py allows."""
_GAP = 0.1
"""Seconds between two poses that one is looked for between."""
_FREIBURG = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3, 0.2624, -0.9531, -0.0054, 0.0026, 1.1633),
    "freiburg2": (520.9, 521.0, 325.1, 249.7, 0.2312, -0.7849, -0.0033, -0.0001, 0.9172),
    "freiburg3": (535.4, 539.2, 320.1, 247.6, 0.0, 0.0, 0.0, 0.0, 0.0),
}
"""fx fy cx cy k1 k2 p1 p2 k3 of 640 x 480 pixels, as the benchmark publishes them for its three cameras."""


def is_tum(folder: Path) -> bool:
    return (folder / "rgb.txt").is_file() and (folder / "depth.txt").is_file()


def read_tum(folder: Path) -> Recording:
    """Frames with a pose. Intrinsics are calibration.txt (fx fy cx cy, then k1 k2 p1 p2 k3 if there are any), or those
    of the camera that the folder's name has: rgbd_dataset_freiburg1_desk."""
    lens = _lens(folder)
    photos, maps = _listed(folder / "rgb.txt"), _listed(folder / "depth.txt")
    times, poses = _poses(folder / "groundtruth.txt")
    frames, left_out = [], []
    for time, name in photos:
        pose = _pose_at(time, times, poses)
        if pose is None:
            left_out.append(LeftOut(name, "has no pose: groundtruth.txt says nothing of its time."))
            continue
        near = min(maps, key=lambda map: abs(map[0] - time), default=None)
        depth = None
        if near is not None and abs(near[0] - time) <= _APART and (folder / near[1]).is_file():
            depth = DepthFile(folder / near[1], _STEPS, lens)
        frames.append(Frame(name, lens, pose, depth))
    return Recording("TUM", folder, tuple(frames), tuple(left_out), (0.0, 0.0, 1.0))


def _listed(path: Path) -> list[tuple[float, str]]:
    rows = read_lines(path, 2)
    return [
        (float(numbers(row[:1], path)[0]), inside(path.parent, row[1]).relative_to(path.parent).as_posix())
        for row in rows
    ]


def _lens(folder: Path) -> Lens:
    given = folder / "calibration.txt"
    if given.is_file():
        rows = read_lines(given, 4)
        params = numbers(rows[0][:9], given) if len(rows) > 0 else np.zeros(0)
        if len(params) < 4 or not np.isfinite(params).all() or params[:2].min() <= 0:
            raise InputError(f"{given} holds no camera.", advice="Write fx fy cx cy in its first line.")
        width, height = _size(folder)
    else:
        known = [params for name, params in _FREIBURG.items() if name in folder.resolve().name]
        if len(known) == 0:
            raise InputError(
                f"{folder} does not say what its camera is like.",
                advice="Write fx fy cx cy of the photos, in pixels, into calibration.txt beside rgb.txt.",
            )
        params, (width, height) = np.array(known[0]), (640, 480)
    fx, fy, cx, cy, k1, k2, p1, p2, k3 = np.concatenate([params, np.zeros(9 - len(params))]).tolist()
    middle = (fx, fy, cx + 0.5, cy + 0.5)  # theirs have the first pixel's centre at 0
    return Lens("FULL_OPENCV", width, height, (*middle, k1, k2, p1, p2, k3, 0.0, 0.0, 0.0))


def _size(folder: Path) -> tuple[int, int]:
    """Of the first photo that can be read: what calibration.txt is about."""
    from recon.io.photos import open_photo

    for _, name in _listed(folder / "rgb.txt"):
        try:
            return open_photo(folder / name).size
        except InputError:
            continue
    raise InputError(f"None of the photos that {folder / 'rgb.txt'} lists can be read.", advice="Copy them again.")


def _poses(path: Path) -> tuple[Float[np.ndarray, "p"], Float[np.ndarray, "p 7"]]:
    if not path.is_file():
        raise InputError(
            f"{path.parent} has no groundtruth.txt, so nothing says where its photos were taken.",
            advice=f"To find that from the photos: recon train --images {path.parent / 'rgb'}.",
        )
    rows = [numbers(row[:8], path) for row in read_lines(path, 8)]
    table = np.array(rows).reshape(-1, 8)
    table = table[np.isfinite(table).all(axis=1) & (np.linalg.norm(table[:, 4:], axis=1) > 0.5)]
    table = table[np.argsort(table[:, 0], kind="stable")]
    return table[:, 0], table[:, 1:]


def _pose_at(time: float, times: np.ndarray, poses: np.ndarray) -> Float[np.ndarray, "4 4"] | None:
    """Between the poses before and after, which are at most `_GAP` apart; at the ends, or in a gap, the nearest."""
    if len(times) == 0:
        return None
    after = int(np.searchsorted(times, time))
    if 0 < after < len(times) and times[after] - times[after - 1] <= _GAP:
        before = poses[after - 1]
        share = (time - times[after - 1]) / max(times[after] - times[after - 1], 1e-9)
        turned = poses[after] * np.where(np.arange(7) < 3, 1, np.sign(before[3:] @ poses[after][3:]) or 1)
        return _matrix((1 - share) * before + share * turned)
    nearest = int(np.argmin(np.abs(times - time)))
    return _matrix(poses[nearest]) if abs(times[nearest] - time) <= _APART else None


def _matrix(pose: Float[np.ndarray, "7"]) -> Float[np.ndarray, "4 4"]:
    x, y, z, w = pose[3:]
    return similarity(1.0, rotation_from_quaternion(np.array([w, x, y, z])), pose[:3])
