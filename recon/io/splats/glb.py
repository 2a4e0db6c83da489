"""The binary glTF container: a JSON chunk and the bytes its accessors point into. Source: glTF 2.0 specification."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon.io.parsing import parse_json
from recon.io.splats.damage import MOST_SPLATS, damaged

__all__ = ["Glb", "pack_glb", "unpack_glb"]

_FILE, _CHUNK = struct.Struct("<4sII"), struct.Struct("<II")
_JSON, _BINARY = 0x4E4F534A, 0x004E4942
_KINDS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}


@dataclass(frozen=True)
class Glb:
    path: Path
    tree: dict[str, Any]
    binary: bytes

    def item(self, kind: str, index: Any) -> dict[str, Any]:
        """Entry `index` of a top-level list; an `InputError` where there is none."""
        items = self.tree.get(kind)
        if not isinstance(items, list) or type(index) is not int or not 0 <= index < len(items):
            raise damaged(self.path, f"it refers to {kind}[{index!r:.20}], which it does not have")
        if not isinstance(items[index], dict):
            raise damaged(self.path, f"its {kind}[{index}] is no object")
        return items[index]

    def numbers(self, accessor: Any, width: int) -> Float[np.ndarray, "g width"]:
        """The values of an accessor as float32, normalised integers in -1..1 or 0..1."""
        entry = self.item("accessors", accessor)
        view = self.item("bufferViews", entry.get("bufferView"))
        code, shape, count = entry.get("componentType"), entry.get("type"), entry.get("count")
        kind = _KINDS.get(code) if type(code) is int else None
        offsets = [view.get("byteOffset", 0), entry.get("byteOffset", 0), view.get("byteStride", 0)]
        whole = all(type(number) is int and 0 <= number < 1 << 40 for number in offsets)
        if kind is None or type(count) is not int or not whole or _WIDTHS.get(str(shape)) != width or "sparse" in entry:
            raise damaged(self.path, f"accessor {accessor} is not of a kind that splats use")
        item = np.dtype(kind).itemsize * width
        stride, start = offsets[2] or item, offsets[0] + offsets[1]
        if not 0 < count <= MOST_SPLATS or stride < item or start + (count - 1) * stride + item > len(self.binary):
            raise damaged(self.path, f"accessor {accessor} reaches beyond the file")
        if view.get("buffer") != 0:
            raise damaged(self.path, "its numbers are in another file")
        rows = np.ndarray((count, width), kind, self.binary, start, (stride, np.dtype(kind).itemsize))
        values = rows.astype(np.float32)
        if entry.get("normalized") is True and kind != "<f4":
            values = np.maximum(values / np.iinfo(kind).max, -1)
        return values


def unpack_glb(path: Path, data: bytes) -> Glb:
    """Header, first JSON chunk and first binary chunk; others are skipped."""
    if len(data) < _FILE.size + _CHUNK.size or data[:4] != b"glTF":
        raise damaged(path, "it does not begin as binary glTF does")
    _, version, length = _FILE.unpack_from(data)
    if version != 2 or length > len(data):
        raise damaged(path, f"its header says version {version}, {length} bytes, and it has {len(data)}")
    chunks, at = {}, _FILE.size
    while at + _CHUNK.size <= length:
        size, kind = _CHUNK.unpack_from(data, at)
        at += _CHUNK.size
        if at + size > length:
            raise damaged(path, "a chunk reaches beyond the file")
        chunks.setdefault(kind, data[at : at + size])
        at += size
    try:
        tree = parse_json(chunks.get(_JSON, b"").decode("utf-8"))
    except ValueError:
        raise damaged(path, "its JSON cannot be read") from None
    if not isinstance(tree, dict):
        raise damaged(path, "its JSON is no object")
    return Glb(path, tree, chunks.get(_BINARY, b""))


def pack_glb(tree: dict[str, Any], binary: bytes) -> bytes:
    text = json.dumps(tree, separators=(",", ":"), allow_nan=False).encode("utf-8")
    text += b" " * (-len(text) % 4)
    binary += b"\0" * (-len(binary) % 4)
    chunks = _CHUNK.pack(len(text), _JSON) + text + _CHUNK.pack(len(binary), _BINARY) + binary
    return _FILE.pack(b"glTF", 2, _FILE.size + len(chunks)) + chunks
