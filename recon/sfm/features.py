"""SIFT features of every photo.

Photos are decoded here, not by COLMAP, so that COLMAP sees the upright 8-bit pixels that training sees, whatever the
file. Positions are in pixels of the full upright photo.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import local
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool, Float, UInt8

from recon.io.decode import open_reduced
from recon.sfm.job import Shot

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Features", "find_features"]

_SMALL = 0.6
"""Of the wanted image size; twice of it is still about that size."""


@dataclass(frozen=True)
class Features:
    """Of one photo, the largest first."""

    keypoints: Float[np.ndarray, "k 4"]
    """x, y, scale, orientation."""
    descriptors: UInt8[np.ndarray, "k 128"]
    rgb: UInt8[np.ndarray, "k 3"]
    sharpness: float
    """Share of the photo's contrast that is at the scale of single pixels."""

    def __len__(self) -> int:
        return len(self.keypoints)


def find_features(
    shots: tuple[Shot, ...],
    *,
    image_size: int,
    max_features: int,
    fine: bool,
    threads: int,
    progress: Callable[[float], None],
) -> list[Features]:
    """Features of photos, reduced to `image_size` pixels; `fine` looks at twice that size too, at thrice the cost.

    Photos that are small as they come are always looked at that way.
    """
    import pycolmap

    own = local()  # an extractor serves one thread

    def find(shot: Shot) -> Features:
        doubled = fine or max(shot.width, shot.height) <= _SMALL * image_size
        if getattr(own, "doubled", None) is not doubled:
            options = pycolmap.FeatureExtractionOptions()
            options.num_threads = 1
            options.sift.max_num_features = max_features
            options.sift.first_octave = -1 if doubled else 0
            own.extractor = pycolmap.FeatureExtractor.create(options, pycolmap.Device.cpu)
            own.doubled = doubled
        rgb, usable = _pixels(shot, image_size)
        gray = rgb @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
        found, descriptors = own.extractor.extract_from_uint8_array((gray + 0.5).astype(np.uint8))
        keypoints = pycolmap.keypoints_to_matrix(found)[:, :4].astype(np.float32).reshape(-1, 4)
        return _features(keypoints, np.asarray(descriptors.data).reshape(-1, 128), rgb, gray, usable, shot)

    features = []
    with ThreadPoolExecutor(threads) as pool:
        for one in pool.map(find, shots):
            features.append(one)
            progress(len(features) / len(shots))
    return features


def _features(
    keypoints: Float[np.ndarray, "k 4"],
    descriptors: UInt8[np.ndarray, "k 128"],
    rgb: UInt8[np.ndarray, "h w 3"],
    gray: Float[np.ndarray, "h w"],
    usable: Bool[np.ndarray, "h w"],
    shot: Shot,
) -> Features:
    height, width = gray.shape
    column = keypoints[:, 0].astype(int).clip(0, width - 1)
    row = keypoints[:, 1].astype(int).clip(0, height - 1)
    order = np.argsort(-keypoints[:, 2], kind="stable")
    order = order[usable[row[order], column[order]]]
    across, down = shot.width / width, shot.height / height
    full = np.array([across, down, (across * down) ** 0.5, 1], dtype=np.float32)
    return Features(keypoints[order] * full, descriptors[order], rgb[row[order], column[order]], _sharpness(gray))


def _pixels(shot: Shot, image_size: int) -> tuple[UInt8[np.ndarray, "h w 3"], Bool[np.ndarray, "h w"]]:
    """The photo reduced to `image_size`, and which of its pixels may have features."""
    from PIL import Image
    from PIL.Image import Resampling

    image, covered = open_reduced(shot.path, image_size)
    factor = min(1.0, image_size / max(shot.width, shot.height))
    size = max(1, round(shot.width * factor)), max(1, round(shot.height * factor))
    if image.size != size:
        image = image.resize(size, Resampling.BOX if factor < 0.5 else Resampling.BILINEAR, box=covered)
    usable = np.ones(size[::-1], dtype=bool)
    if image.mode == "RGBA":
        usable = _eroded(np.asarray(image.getchannel("A")) > 127)
        gray = Image.new("RGBA", image.size, (128, 128, 128, 255))
        image = Image.alpha_composite(gray, image).convert("RGB")
    if shot.mask is not None:
        usable &= np.asarray(_mask(shot).resize(size, Resampling.NEAREST)) > 0
    return np.asarray(image), usable


def _mask(shot: Shot) -> Image:
    assert shot.mask is not None
    return open_reduced(shot.mask, 0)[0].convert("L")


def _eroded(inside: Bool[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Without a rim of two pixels: the outline against nothing moves with the camera, it is no place in the scene."""
    for axis in (0, 1):
        for _ in range(2):
            inside = inside & np.roll(inside, 1, axis) & np.roll(inside, -1, axis)
    return inside


def _sharpness(gray: Float[np.ndarray, "h w"]) -> float:
    """Variance of pixel differences over that of differences four pixels apart, in the busiest quarter of tiles."""
    fine, coarse = np.diff(gray, axis=1)[:, :-4] ** 2, (gray[:, 4:] - gray[:, :-4])[:, :-1] ** 2
    rows, columns = (size // 16 * 16 for size in fine.shape)
    if rows == 0 or columns == 0:
        return 0.0
    shape = rows // 16, 16, columns // 16, 16
    fine, coarse = (part[:rows, :columns].reshape(shape).mean(axis=(1, 3)).ravel() for part in (fine, coarse))
    busy = np.argsort(coarse)[-max(1, len(coarse) // 4) :]
    return float(fine[busy].mean() / max(coarse[busy].mean(), 1e-6))
