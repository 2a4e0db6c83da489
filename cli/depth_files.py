"""The files of one photo's depth: a 16-bit PNG to look at and read anywhere, an .npz with all there is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from recon.types import DepthMap

__all__ = ["write_depth", "write_relative"]

_LARGEST = 65535


def write_depth(folder: Path, photo: str, map: DepthMap, *, scale: float) -> dict[str, str | float]:
    """Names of the files below `folder`, and the unit of the PNG: depth = unit x value, 0 unknown.

    `scale` is output units in a world unit. The files keep the photo's whole name: two photos never share one.
    """
    depth = map.depth.cpu().numpy().astype(np.float32) * np.float32(scale)
    unit = float(depth.max()) / _LARGEST or 1.0
    return _write(folder, photo, depth / unit, map, depth=depth) | {"unit": unit}


def write_relative(folder: Path, photo: str, map: DepthMap) -> dict[str, str | float]:
    """The same of inverse depth that lacks a scale and a shift: what is nearer is brighter, 1 farthest, 0 unknown."""
    inverse, known = map.inverse.cpu().numpy().astype(np.float32), map.known.cpu().numpy()
    low, high = (float(inverse[known].min()), float(inverse[known].max())) if known.any() else (0.0, 0.0)
    shown = np.where(known, 1 + (inverse - low) / (high - low or 1.0) * (_LARGEST - 1), 0)
    return _write(folder, photo, shown, map, inverse=inverse)


def _write(folder: Path, photo: str, shown: np.ndarray, map: DepthMap, **values: Any) -> dict[str, str | float]:
    from PIL import Image

    inside = PurePosixPath(*(part for part in PurePosixPath(photo).parts if part not in ("..", "/")))
    png, npz = f"{inside}.png", f"{inside}.npz"
    (folder / png).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(shown.round().clip(0, _LARGEST).astype(np.uint16)).save(folder / png)
    with (folder / npz).open("wb") as file:
        np.savez_compressed(file, confidence=map.confidence.cpu().numpy().astype(np.float32), **values)
    return {"png": png, "npz": npz}
