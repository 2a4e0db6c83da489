"""Arrays of numbers out of .npy and .npz files: what a header promises is compared with the file, then allocated."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from recon.io.disk import regular

__all__ = ["read_numpy"]

_LONGEST = 1 << 40
_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error)
"""What zipfile raises of archives that are cut, locked or packed in unknown ways."""


def read_numpy(path: Path, choose: Callable[[Sequence[str]], str]) -> np.ndarray:
    """The array of an .npy, or of an .npz the one that `choose` picks by name. Raises `ValueError`, never unpickles."""
    with regular(path).open("rb") as file:
        if path.suffix.lower() == ".npy":
            return _array(file, path.stat().st_size)
        try:
            with zipfile.ZipFile(file) as archive:
                held = {entry.filename[:-4]: entry for entry in archive.infolist() if entry.filename.endswith(".npy")}
                if len(held) == 0:
                    raise ValueError("it holds no array")
                entry = held[choose(list(held))]
                with archive.open(entry) as opened:
                    return _array(opened, entry.file_size)
        except _BROKEN as error:
            raise ValueError(f"it is no whole .npz: {error}") from error


def _array(file: Any, size: int) -> np.ndarray:
    """Of an open file, or of one inside an archive, of so many bytes."""
    shape, dtype = _header(file)
    needed, follow = math.prod(shape) * dtype.itemsize, size - file.tell()
    if needed > follow:
        raise ValueError(f"its header promises {needed} bytes, and {follow} follow")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def _header(file: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type; numpy's parser raises whatever a broken header makes it stumble over."""
    try:
        version = np.lib.format.read_magic(file)
        parsers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, _, dtype = parsers[version](file)
    except Exception as error:
        raise ValueError(f"its header makes no sense ({str(error)[:80]})") from error
    if dtype.kind not in "biufc":
        raise ValueError(f"it holds {dtype}, not numbers")
    if not all(0 <= length <= _LONGEST for length in shape):
        raise ValueError(f"its header claims the shape {str(shape)[:80]}")
    return shape, dtype
