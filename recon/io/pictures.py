"""The pictures of a scene: undistorted, at working resolution, in memory as far as it reaches."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import UInt8

from recon.io.decode import open_photo, open_reduced
from recon.io.lens import focal_and_center, is_pinhole
from recon.io.undistort import Pinhole, warp
from recon.types import Lens, Picture

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["Pictures", "Source", "load_picture"]

_LINEAR, _CUBIC = 2, 3
"""Pillow's numbers of its filters. Its area filter takes whole pixels only, which moves things by up to half of one."""
_OVERSAMPLED = 3  # how much finer than the picture the photo is when it is warped and averaged


@dataclass(frozen=True)
class Source:
    """Where a picture comes from, and what it shall become."""

    path: Path
    mask: Path | None
    lens: Lens
    pinhole: Pinhole

    @property
    def bytes(self) -> int:
        return self.pinhole.width * self.pinhole.height * (3 + 1 + (self.mask is not None))


def load_picture(source: Source) -> Picture:
    """Decode, undistort and shrink without aliasing. Colour under full transparency is black."""
    image, covered = open_reduced(source.path, _working_side(source))
    pixels = _at_work(image, covered, source)
    mask = None
    if source.mask is not None:
        gray = open_photo(source.mask).convert("L")
        mask = _at_work(gray, (0.0, 0.0, float(gray.width), float(gray.height)), source)
    alpha = torch.from_numpy(pixels[..., 3].copy()) if pixels.shape[-1] == 4 else None
    rgb = torch.from_numpy(np.ascontiguousarray(pixels[..., :3]))
    return Picture(rgb, alpha, None if mask is None else torch.from_numpy(mask[..., 0].copy()))


class Pictures:
    """An `ImageStore`. Everything is loaded at once, in threads, if `memory_limit` bytes hold it.

    Otherwise pictures are decoded when asked for, and the ones asked for last are kept.
    """

    def __init__(self, sources: Sequence[Source], memory_limit: int) -> None:
        self._sources = tuple(sources)
        self._limit = memory_limit
        self._held: OrderedDict[int, Picture] = OrderedDict()
        self._used = 0
        self._lock = Lock()
        if sum(source.bytes for source in sources) <= memory_limit:
            with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
                self._held.update(enumerate(pool.map(load_picture, self._sources)))

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> Picture:
        index = range(len(self))[index]  # negative ones count from the end, others raise
        with self._lock:
            if index in self._held:
                self._held.move_to_end(index)
                return self._held[index]
        picture = load_picture(self._sources[index])
        with self._lock:
            if index not in self._held:
                self._held[index] = picture
                self._used += self._sources[index].bytes
            while self._used > self._limit and len(self._held) > 1:
                oldest, _ = self._held.popitem(last=False)
                self._used -= self._sources[oldest].bytes
        return picture


def _working_side(source: Source) -> int:
    """Longest side of the whole photo that is worth decoding, in pixels."""
    return int(_OVERSAMPLED * max(_shrink(source)) * max(source.lens.width, source.lens.height))


def _shrink(source: Source) -> tuple[float, float]:
    """Pixels of the picture per pixel of the photo, across and down, in the middle."""
    (fx, fy), _ = focal_and_center(source.lens)
    return source.pinhole.focal[0] / fx, source.pinhole.focal[1] / fy


def _at_work(image: Image, covered: tuple[float, float, float, float], source: Source) -> UInt8[np.ndarray, "h w c"]:
    """The part `covered` of the image is the whole photo."""
    pinhole, lens = source.pinhole, source.lens
    smooth = _CUBIC if image.mode == "RGB" else _LINEAR  # next to transparency, overshooting gives false colours
    if is_pinhole(lens):
        shrunk = image.resize((pinhole.width, pinhole.height), smooth, box=covered)
        return _array(shrunk)
    across, down = _shrink(source)
    finer, dense = (2, _OVERSAMPLED) if max(across, down) < 0.5 else (1, 1)
    width = max(1, round(lens.width * min(1.0, across * dense)))
    height = max(1, round(lens.height * min(1.0, down * dense)))
    shrunk = torch.from_numpy(_array(image.resize((width, height), smooth, box=covered))).float()
    shrunk = shrunk.permute(2, 0, 1).contiguous()
    if len(shrunk) == 4:
        shrunk = torch.cat([shrunk[:3] * (shrunk[3:] / 255), shrunk[3:]])
    warped = warp(shrunk, lens, pinhole, finer)
    if len(warped) == 4:
        warped = torch.cat([warped[:3] / (warped[3:] / 255).clamp(min=1e-3), warped[3:]])
    return warped.clamp(0, 255).round().byte().permute(1, 2, 0).contiguous().numpy()


def _array(image: Image) -> UInt8[np.ndarray, "h w c"]:
    pixels = np.array(image)
    return pixels if pixels.ndim == 3 else pixels[..., None]
