"""One depth map from a file: 16-bit PNG, .npz, .npy, .exr. Along the camera's z axis; 0 where nothing was measured."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.io.numpy_file import read_numpy

__all__ = ["DEPTH_ENDINGS", "MILLIMETRES", "find_depth", "read_depth"]

DEPTH_ENDINGS = (".npz", ".npy", ".exr", ".png")
MILLIMETRES = 1000.0
"""Steps of a PNG in a metre, unless its layout says otherwise."""


_DEPTH_CHANNELS = ("Z", "depth", "depth.Z", "R")


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

    Whole numbers are `steps` to a metre. An .npz holds the map under the name `depth`, or nothing else; an .exr as its
    one channel, or the one called Z, depth or R.
    """
    if not path.is_file():
        raise InputError(
            f"{path} does not exist or is no file.", advice="Name depth maps after their photos: IMG_1.jpg, IMG_1.png."
        )
    try:
        values = _READERS.get(path.suffix.lower(), _numpy)(path)
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(f"{path} holds no depth map: {error}.", advice="Use 16-bit PNG, .npz or .exr.") from error
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


def _exr(path: Path) -> np.ndarray:
    try:
        import OpenEXR
    except ImportError as error:
        raise InputError(
            f"Reading {path} needs the package OpenEXR.", advice="Install it: pip install -c constraints.txt '.[exr]'."
        ) from error
    try:
        with contextlib.redirect_stdout(None):  # it prints what is wrong with a file
            channels = OpenEXR.File(str(path), separate_channels=True).channels()
    except (RuntimeError, ValueError) as error:
        raise ValueError("it is no whole OpenEXR file") from error
    names = list(channels) if len(channels) == 1 else [name for name in _DEPTH_CHANNELS if name in channels]
    if len(names) == 0:
        raise ValueError(f"it has the channels {', '.join(channels) or 'none'}, and none is called Z, depth or R")
    return np.asarray(channels[names[0]].pixels)


def _numpy(path: Path) -> np.ndarray:
    values = read_numpy(path, _map_among)
    if values.dtype.kind not in "iuf":
        raise ValueError(f"it holds {values.dtype}, not numbers")
    return values


def _map_among(names: Sequence[str]) -> str:
    if "depth" not in names and len(names) != 1:
        raise ValueError(f"it has the arrays {', '.join(names)}, and none is called depth")
    return "depth" if "depth" in names else names[0]


_READERS = {".png": _png, ".exr": _exr}
