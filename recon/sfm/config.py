"""What a user may choose about how photos are posed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recon.errors import InputError

__all__ = ["PosesConfig"]

_MOST = 2**31 - 1
"""COLMAP keeps these numbers in 32 bits."""


@dataclass(frozen=True)
class PosesConfig:
    """Structure from motion: where every photo was taken."""

    image_size: int = 960
    """Longest side, in pixels, at which features are looked for. Time grows with its square."""
    max_features: int = 3000
    """Features kept per photo, the largest first. Matching time grows with its square."""
    pairs: Literal["auto", "exhaustive", "similar", "sequential"] = "auto"
    """Which photos are compared: all with all, those that look alike, or neighbours in name order and those alike."""
    neighbours: int = 8
    """Photos that each photo is compared with in the modes `similar` and `sequential`."""
    lens: Literal["auto", "PINHOLE", "SIMPLE_RADIAL", "RADIAL", "OPENCV", "OPENCV_FISHEYE"] = "auto"
    """Lens distortion to solve for, in COLMAP's names. Automatic: as much as the number of photos can tell."""
    seed: int = 0
    """Of the random samples in verification and mapping."""
    no_retry: bool = False
    """Leave it at one try. Otherwise, where less than nine tenths of the photos find a place, there is another with
    more features and other methods."""
    keep_blurred: bool = False
    """Use photos that are much less sharp than the others."""

    def __post_init__(self) -> None:
        for name, least in {"image_size": 100, "max_features": 50, "neighbours": 1, "seed": 0}.items():
            option = "--poses." + name.replace("_", "-")
            if getattr(self, name) < least:
                raise InputError(f"{option} is {getattr(self, name)}.", advice=f"Give at least {least}.")
            if getattr(self, name) > _MOST:
                raise InputError(f"{option} is {getattr(self, name)}.", advice=f"Give at most {_MOST}.")
