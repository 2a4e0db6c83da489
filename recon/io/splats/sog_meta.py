"""What a SOG's meta.json says and the images it names: nothing in it is believed before it is checked."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from recon.io.frames import FRAMES, FrameName
from recon.io.parsing import parse_json
from recon.io.splats.damage import MOST_SPLATS, check_unpacked, damaged

__all__ = ["MOST_JSON", "Fetch", "SogMeta"]

MOST_JSON = 1 << 24
_MOST_IMAGE = 1 << 30
_FURTHER = (3, 8, 15)
_ROW = 64

Fetch = Callable[[str, int], bytes]
"""The file of a name beside meta.json, at most so many bytes of it."""


class SogMeta:
    """meta.json, whose every entry may be missing or of another type, and the images it names."""

    def __init__(self, path: Path, fetch: Fetch) -> None:
        self._path, self._fetch = path, fetch
        try:
            tree = parse_json(fetch("meta.json", MOST_JSON).decode("utf-8"))
        except ValueError:
            raise damaged(path, "its meta.json cannot be read") from None
        if not isinstance(tree, dict):
            raise damaged(path, "its meta.json is no object")
        self.tree: dict[str, Any] = tree
        self.version = 1 if "version" not in tree else self.number("version")

    def count(self) -> int:
        """Of Gaussians, after a check that this is a version that recon reads."""
        if self.version == 1:
            shape = self._part("means").get("shape")
            count = shape[0] if isinstance(shape, list) and len(shape) > 0 else None
        else:
            count = self.number("count")
        if self.version not in (1, 2) or type(count) is not int or not 0 < count <= MOST_SPLATS:
            raise damaged(self._path, f"it is version {self.version} with {count!r:.20} splats")
        return count

    def spread(self, part: str, values: UInt8[np.ndarray, "g c"], channels: int) -> Float[np.ndarray, "g c"]:
        """Bytes as shares of the part's ranges."""
        low, high = self.numbers(part, "mins", channels), self.numbers(part, "maxs", channels)
        return (low + (high - low) * (values.astype(np.float64) / 255)).astype(np.float32)

    def number(self, key: str, *, part: str | None = None) -> int:
        value = (self.tree if part is None else self._part(part)).get(key)
        if type(value) is not int or abs(value) > 1 << 40:
            raise damaged(self._path, f"its meta.json has no {key}")
        return value

    def numbers(self, part: str, key: str, count: int) -> Float[np.ndarray, "count"]:
        values = self._part(part).get(key)
        if not isinstance(values, list) or len(values) != count:
            raise damaged(self._path, f"{part}.{key} of its meta.json is not {count} numbers")
        if not all(type(v) in (int, float) and abs(v) < 1e30 for v in values):
            raise damaged(self._path, f"{part}.{key} of its meta.json is not {count} numbers")
        return np.array(values, dtype=np.float64)

    def image(self, part: str, index: int, count: int, channels: int) -> UInt8[np.ndarray, "g c"]:
        """The first `count` pixels of an image."""
        pixels = self._pixels(part, index)
        if pixels.shape[0] * pixels.shape[1] < count:
            raise damaged(self._path, f"an image of {part} has fewer pixels than there are splats")
        return pixels.reshape(-1, 4)[:count, :channels]

    def harmonics(self, count: int) -> Float[np.ndarray, "g k 3"]:
        """All harmonics, the first of them not filled in."""
        if "shN" not in self.tree:
            return np.zeros((count, 1, 3), dtype=np.float32)
        pixels = self._pixels("shN", 0)
        k = pixels.shape[1] // _ROW
        entries = pixels.shape[0] * _ROW if self.version == 1 else self.number("count", part="shN")
        if k not in _FURTHER or pixels.shape[1] != _ROW * k or not 0 < entries <= pixels.shape[0] * _ROW:
            raise damaged(self._path, f"the image of its palette does not have {entries} entries")
        colours = pixels.reshape(-1, k, 4)[:entries, :, :3]
        if self.version == 1:
            low, high = (float(self._plain("shN", key)) for key in ("mins", "maxs"))
            palette = low + (high - low) * (colours.astype(np.float32) / 255)
        else:
            palette = self.numbers("shN", "codebook", 256).astype(np.float32)[colours]
        marks = self.image("shN", 1, count, 2).astype(np.int64)
        labels = marks[:, 0] + 256 * marks[:, 1]
        if (labels >= entries).any():
            raise damaged(self._path, "splats refer to colours that its palette does not have")
        sh = np.zeros((count, k + 1, 3), dtype=np.float32)
        sh[:, 1:] = palette[labels]
        return sh

    def standing(self) -> tuple[FrameName | None, tuple[float, float, float] | None]:
        """Frame and up, where recon wrote them."""
        here: Any = self.tree
        for key in ("asset", "extras"):
            here = here.get(key) if isinstance(here, dict) else None
        here = here if isinstance(here, dict) else {}
        said = here.get("frame")
        frame: FrameName | None = next((name for name in FRAMES if name == said), None)
        up = here.get("up")
        if not isinstance(up, list) or len(up) != 3 or not all(type(v) in (int, float) and abs(v) <= 1 for v in up):
            return frame, None
        return frame, (float(up[0]), float(up[1]), float(up[2])) if any(up) else None

    def _plain(self, part: str, key: str) -> float:
        value = self._part(part).get(key)
        if not isinstance(value, int | float) or not abs(value) < 1e30:
            raise damaged(self._path, f"{part}.{key} of its meta.json is no number")
        return value

    def _part(self, part: str) -> dict[str, Any]:
        value = self.tree.get(part)
        if not isinstance(value, dict):
            raise damaged(self._path, f"its meta.json has no {part}")
        return value

    def _pixels(self, part: str, index: int) -> UInt8[np.ndarray, "h w 4"]:
        """An image as bytes; its size is looked at before it is unpacked."""
        from PIL import Image

        files = self._part(part).get("files")
        name = files[index] if isinstance(files, list) and index < len(files) else None
        if not isinstance(name, str) or name != Path(name).name or name in ("", ".", ".."):
            raise damaged(self._path, f"{part} of its meta.json names no image")
        data = self._fetch(name, _MOST_IMAGE)
        try:
            with Image.open(io.BytesIO(data), formats=["WEBP", "PNG"]) as image:
                check_unpacked(self._path, len(data), 4 * image.width * image.height)
                return np.asarray(image.convert("RGBA"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise damaged(self._path, f"its image {name} cannot be read ({error})") from None
