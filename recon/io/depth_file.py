"""One depth map from a file: 16-bit PNG, .npz or .npy. Along the camera's z axis; 0 where nothing was measured."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float

from recon.errors import InputError

__all__ = ["DEPTH_ENDINGS", "MILLIMETRES", "find_depth", "read_depth"]

DEPTH_ENDINGS = (".npz", ".npy", ".png")
MILLIMETRES = 1000.0
"""Steps of a PNG in a metre, unless its layout says otherwise."""


def find_depth(folder: Path, photo: str) -> Path | None:
    """The map in `folder` that is named after a photo: a/b.jpg has a/b.png, b.png or a_b.png."""
    stem = PurePosixPath(photo).with_suffix("")
    for place in (stem, PurePosixPath(stem.name), PurePosixPath("_".join(stem.parts))):
        for ending in DEPTH_ENDINGS:
            path = folder / f"{place}{ending}"
            if path.is_file():
                return path
    return None


def read_depth(path: Path, *, steps: float = MILLIMETRES) -> Float[np.ndarray, "h w"]:
    """Metres, or whatever unit the file's numbers are in; what is negative or no number becomes 0.

    Whole numbers are `steps` to a metre. An .npz holds the map under the name `depth`, or nothing else.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist.", advice="Name depth maps after their photos: IMG_1.jpg, IMG_1.png.")
    try:
        values = _png(path) if path.suffix.lower() == ".png" else _numpy(path)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path} holds no depth map: {error}.", advice="Use 16-bit PNG or .npz.") from error
    if values.ndim != 2 or min(values.shape) < 1:
        raise InputError(
            f"{path} holds numbers of the shape {' x '.join(map(str, values.shape)) or 'one'}, not height x width.",
            advice="Store one depth per pixel.",
        )
    depth = values.astype(np.float32) / (steps if values.dtype.kind in "iu" else 1.0)
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def _png(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        if image.mode not in ("I;16", "I;16B", "I", "I;16L"):
            raise ValueError(f"its pixels are {image.mode}, not 16-bit gray")
        return np.array(image).astype(np.int32)


def _numpy(path: Path) -> np.ndarray:
    if path.suffix.lower() == ".npy":
        return _real(np.load(path, allow_pickle=False))
    with np.load(path, allow_pickle=False) as held:
        names = list(held.files)
        if "depth" not in names and len(names) != 1:
            raise ValueError(f"it has the arrays {', '.join(names) or 'none'}, and none is called depth")
        return _real(held["depth" if "depth" in names else names[0]])


def _real(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in "iuf":
        raise ValueError(f"it holds {values.dtype}, not numbers")
    return values
