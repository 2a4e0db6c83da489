"""What a COLMAP model's files hold, before pictures are looked at. Poses are `cam_from_world` in COLMAP's words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, UInt8

from recon.types import Lens

__all__ = ["ColmapImage", "ColmapModel", "ColmapPoints"]


@dataclass(frozen=True)
class ColmapImage:
    name: str
    camera: int
    quaternion: tuple[float, float, float, float]
    translation: tuple[float, float, float]


@dataclass(frozen=True)
class ColmapPoints:
    xyz: Float[np.ndarray, "p 3"]
    rgb: UInt8[np.ndarray, "p 3"]
    error: Float[np.ndarray, "p"]
    """Mean reprojection error in pixels; negative where not computed."""
    track_length: Int[np.ndarray, "p"]


@dataclass(frozen=True)
class ColmapModel:
    cameras: dict[int, Lens]
    images: tuple[ColmapImage, ...]
    points: ColmapPoints
