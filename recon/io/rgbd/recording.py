"""A recording of an RGB-D camera to a `Reconstruction`: the frames whose pose is known, and points of their depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.geometry import average_up, invert_similarity
from recon.io.disk import regular
from recon.io.lens import scaled
from recon.io.photos import inspect_all, reason_of
from recon.io.plausible import check_camera
from recon.types import LeftOut, Lens, Reconstruction, View

__all__ = ["MOST_FRAMES", "DepthFile", "Frame", "Recording", "inside", "numbers", "read_lines", "rigid"]

MOST_FRAMES = 400
"""Of longer recordings every second, third, ... frame is used: thirty photos a second show the same again and again."""
_MOSTLY_UP = np.cos(np.radians(20))


@dataclass(frozen=True)
class DepthFile:
    """A depth map on disk."""

    path: Path
    steps: float
    """Of whole numbers in a metre."""
    lens: Lens
    """What it was seen through. Its size may be the photo's: maps have any resolution of the same shape."""


@dataclass(frozen=True)
class Frame:
    """A photo, where it was taken, and its depth."""

    name: str
    """Of the photo, below the recording's folder."""
    lens: Lens
    """Of the photo, or of a picture of its shape."""
    input_from_cam: Float[np.ndarray, "4 4"]
    depth: DepthFile | None


@dataclass(frozen=True)
class Recording:
    """Lengths are metres."""

    kind: str
    """Whose layout it is."""
    folder: Path
    frames: tuple[Frame, ...]
    """In the order they were taken."""
    left_out: tuple[LeftOut, ...]
    vertical: tuple[float, float, float]
    """The axis that is up by custom; it is, if the photos agree."""
    of: int = 0
    """Frames that there were before some were passed over."""

    def thinned(self, most: int = MOST_FRAMES) -> Recording:
        """Every n-th frame, so that there are at most so many."""
        step = -(-len(self.frames) // most)
        return replace(self, frames=self.frames[:: max(step, 1)], of=len(self.frames))

    @property
    def depths(self) -> Mapping[str, DepthFile]:
        """By the name of the photo."""
        return {frame.name: frame.depth for frame in self.frames if frame.depth is not None}

    def reconstruction(self) -> Reconstruction:
        """Photos that are missing or broken are left out."""
        from recon.io.rgbd.points import points_of

        left_out, views, kept = list(self.left_out), [], []
        paths = [self.folder / frame.name for frame in self.frames]
        for frame, path, file in zip(self.frames, paths, inspect_all(paths), strict=True):
            try:
                if isinstance(file, InputError):
                    raise file
                lens = scaled(frame.lens, file.upright_size)
                cam_from_input = invert_similarity(frame.input_from_cam)
                check_camera(lens, cam_from_input)
            except InputError as error:
                left_out.append(LeftOut(frame.name, reason_of(error, path)))
                continue
            views.append(View(frame.name, path, lens, cam_from_input))
            kept.append(replace(frame, lens=lens))
        if len(views) == 0:
            listed = "; ".join(f"{file.name} {file.reason}" for file in left_out[:3])
            raise InputError(
                f"{self.folder} has no frame that can be used: {listed or 'it lists none'}",
                advice=f"Export the {self.kind} recording again, with its photos and poses.",
            )
        up = average_up(np.stack([view.cam_from_input for view in views]))
        up = np.array(self.vertical) if float(up @ self.vertical) > _MOSTLY_UP else up
        return Reconstruction(tuple(views), points_of(kept, self.folder), tuple(left_out), up)

    def __str__(self) -> str:
        some = f"{len(self.frames)} of {self.of} frames of " if len(self.frames) < self.of else ""
        return f"{some}a {self.kind} recording in {self.folder}"


def inside(folder: Path, said: str) -> Path:
    """A file below `folder` that one of its own files names."""
    if Path(said).is_absolute() or ".." in Path(said).parts or said == "":
        raise InputError(f"{folder} names the file {said!r}, outside of it.", advice="Export the recording again.")
    return folder / said


def read_lines(path: Path, columns: int) -> list[list[str]]:
    """The words of each line of a table, at least so many; what begins with # is left out."""
    try:
        lines = regular(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", advice="Export the recording again.") from error
    except ValueError as error:
        raise InputError(f"{path} is no text.", advice="Export the recording again.") from error
    rows = [(number, line.replace(",", " ").split()) for number, line in enumerate(lines, 1)]
    rows = [(number, row) for number, row in rows if len(row) > 0 and not row[0].startswith("#")]
    for number, row in rows:
        if len(row) < columns:
            raise InputError(
                f"{path} has {len(row)} words in line {number}, not {columns}.", advice="Export the recording again."
            )
    return [row for _, row in rows]


def rigid(matrix: Float[np.ndarray, "4 4"]) -> Float[np.ndarray, "4 4"] | None:
    """The rotation and translation nearest to a matrix as files round it; None where it is none, or not finite."""
    if not np.isfinite(matrix).all():
        return None
    left, stretch, right = np.linalg.svd(matrix[:3, :3])
    if np.abs(stretch - 1).max() > 0.02 or np.linalg.det(left @ right) < 0:
        return None
    nearest = np.eye(4)
    nearest[:3, :3], nearest[:3, 3] = left @ right, matrix[:3, 3]
    return nearest


def numbers(words: Sequence[str], path: Path) -> Float[np.ndarray, "n"]:
    """The words as numbers, nan and inf included."""
    try:
        return np.array([float(word) for word in words])
    except ValueError as error:
        raise InputError(f"{path} has {error.args[0]}.", advice="Export the recording again.") from error
