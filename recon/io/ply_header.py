"""The text at the start of a PLY file: which elements follow, and of what types."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recon.errors import InputError

__all__ = ["PlyHeader", "read_header"]

_LONGEST_HEADER = 1 << 16
_MOST_VERTICES = 1 << 40
_KINDS = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
_ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class PlyHeader:
    """The vertex element, which has to come first in the file."""

    format: Literal["ascii", "binary_little_endian", "binary_big_endian"]
    count: int
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    """numpy type of each property, byte order included."""
    comments: tuple[str, ...]
    data_start: int
    """Bytes before the first vertex."""
    faces: int = 0

    def note(self, key: str) -> str | None:
        """What recon wrote in the comments under `key`."""
        for comment in self.comments:
            if comment.startswith(f"recon {key} "):
                return comment.removeprefix(f"recon {key} ").strip()
        return None


def read_header(path: Path) -> PlyHeader:
    """What the file holds and where its data starts; raises `InputError` where it is no PLY."""
    try:
        with path.open("rb") as file:
            start = file.read(_LONGEST_HEADER)
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}.", advice="Check the path.") from error
    if not start.startswith(b"ply"):
        raise InputError(f"{path} is not a PLY file.", advice="Pass a .ply of Gaussian splats.")
    end = start.find(b"end_header")
    newline = start.find(b"\n", end)
    if end < 0 or newline < 0:
        raise _damaged(path, "it has no end_header line")
    return _parse(path, start[:end].decode("latin-1").splitlines(), newline + 1)


def _parse(path: Path, lines: list[str], data_start: int) -> PlyHeader:
    form, element, counts, properties, comments = "", "", {}, [], []
    for line in lines[1:]:
        match line.split():
            case [("comment" | "obj_info"), *_]:
                comments.append(line.partition(" ")[2])
            case ["format", form, _]:
                pass
            case ["element", element, count]:
                counts[element] = _count(path, count)
            case ["property", "list", *_] if element == "vertex":
                raise _damaged(path, "its vertices hold lists, which splats do not have")
            case ["property", kind, name] if element == "vertex":
                if kind not in _KINDS:
                    raise _damaged(path, f"its property {name} has the unknown type {kind}")
                properties.append((name, kind))
            case ["property", *_] | []:
                pass
            case _:
                raise _damaged(path, f"its header has the line {line[:60]!r}")
    if form not in _ORDERS:
        raise _damaged(path, f"its format is {form!r}" if form else "it names no format")
    names = tuple(name for name, _ in properties)
    if next(iter(counts), "") != "vertex" or len(names) == 0:
        raise _damaged(path, "its first element is not a list of vertices")
    if len(set(names)) < len(names):
        raise _damaged(path, "a property appears twice")
    kinds = tuple(_ORDERS[form] + _KINDS[kind] for _, kind in properties)
    return PlyHeader(form, counts["vertex"], names, kinds, tuple(comments), data_start, counts.get("face", 0))  # pyright: ignore[reportArgumentType] - checked above


def _count(path: Path, text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_VERTICES:
        raise _damaged(path, f"it claims {text[:40]} elements")
    return int(text)


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged or not a splat file: {why}.", advice="Copy or export the file again.")
