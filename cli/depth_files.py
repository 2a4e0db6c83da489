"""The files of one photo's depth: a 16-bit PNG to look at and read anywhere, an .npz with all there is."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from recon.types import DepthMap

__all__ = ["write_depth"]

_LARGEST = 65535


def write_depth(folder: Path, photo: str, map: DepthMap, *, scale: float) -> dict[str, str | float]:
    """Names of the files below `folder`, and the unit of the PNG: depth = unit x value, 0 unknown.

    `scale` is output units in a world unit. The files keep the photo's whole name: two photos never share one.
    """
    from PIL import Image

    inside = PurePosixPath(*(part for part in PurePosixPath(photo).parts if part not in ("..", "/")))
    png, npz = f"{inside}.png", f"{inside}.npz"
    depth = map.depth.cpu().numpy().astype(np.float32) * np.float32(scale)
    unit = float(depth.max()) / _LARGEST or 1.0
    (folder / png).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((depth / unit).round().astype(np.uint16)).save(folder / png)
    confidence = map.confidence.cpu().numpy().astype(np.float32)
    with (folder / npz).open("wb") as file:
        np.savez_compressed(file, depth=depth, confidence=confidence)
    return {"png": png, "npz": npz, "unit": unit}
