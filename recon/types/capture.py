"""Photos as the user gave them, and posed as structure from motion or a data set says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["Capture", "LeftOut", "Lens", "Photo", "Points", "Reconstruction", "View"]


@dataclass(frozen=True)
class Photo:
    """One readable photo. Sizes are upright, that is after the EXIF orientation was applied."""

    name: str
    """Path below the capture's folder, with forward slashes: the photo's name everywhere."""
    path: Path
    width: int
    height: int
    focal: float | None = None
    """From EXIF, in pixels of this file; None when EXIF does not say."""
    camera: str = ""
    """Photos with the same key were taken by one camera with one lens setting and share intrinsics."""
    mask: Path | None = None
    """Grayscale image; black pixels are ignored."""
    has_alpha: bool = False


@dataclass(frozen=True)
class LeftOut:
    """A file that is not used, and why, in words for the user."""

    name: str
    reason: str


@dataclass(frozen=True)
class Capture:
    """A folder of photos, ready for structure from motion."""

    folder: Path
    photos: tuple[Photo, ...]
    left_out: tuple[LeftOut, ...] = ()
    ordered: bool = False
    """The names count frames of a video or a walk: neighbours in name are neighbours in space."""


@dataclass(frozen=True)
class Lens:
    """Calibrated intrinsics in COLMAP's terms; `params` in COLMAP's order for `model`, pixels of `width` x `height`."""

    model: str
    width: int
    height: int
    params: tuple[float, ...]


@dataclass(frozen=True)
class View:
    """One posed photo, possibly distorted."""

    name: str
    path: Path
    lens: Lens
    cam_from_input: Float[np.ndarray, "4 4"]
    split: Literal["train", "test"] | None = None
    """What the data set itself says; None when it says nothing."""
    mask: Path | None = None


@dataclass(frozen=True)
class Points:
    """Coloured 3D points."""

    xyz: Float[Tensor, "p 3"]
    rgb: UInt8[Tensor, "p 3"]
    error: Float[Tensor, "p"] | None = None
    """How far, in pixels of the photos as posed, a point lies beside where they show it, in the mean; None for points
    that no photo was asked about."""

    def __len__(self) -> int:
        return len(self.xyz)


@dataclass(frozen=True)
class Reconstruction:
    """Posed photos and sparse points in the input frame, before undistortion, resizing and normalisation."""

    views: tuple[View, ...]
    points: Points
    left_out: tuple[LeftOut, ...] = ()
    up: Float[np.ndarray, "3"] | None = None
    """Unit vector against gravity in the input frame; None when unknown."""
    mean_track_length: float | None = None
    mean_reprojection_error: float | None = None
    """Pixels of the photos as posed."""
