"""The text at the start of a PLY file: which elements follow, and of what types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from recon.errors import InputError
from recon.io.disk import regular

__all__ = ["PlyElement", "PlyHeader", "read_header"]

_LONGEST_HEADER = 1 << 16
_MOST_VERTICES = 1 << 40
_PIECE = 1 << 20
_KINDS = {
    **{"char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2"},
    **{"ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4"},
    **{"float": "f4", "float32": "f4", "double": "f8", "float64": "f8"},
}
_ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}


@dataclass(frozen=True)
class PlyElement:
    """A table of the file."""

    name: str
    count: int
    names: tuple[str, ...]
    kinds: tuple[str, ...]
    """numpy type of each property, byte order included."""
    has_lists: bool = False
    """Some property is a list, so rows differ in length; `names` and `kinds` leave lists out."""

    @property
    def row(self) -> np.dtype:
        return np.dtype(list(zip(self.names, self.kinds, strict=True)))

    def least_bytes(self, *, text: bool) -> int:
        """Of a row: in text a digit and what divides it from the next; a list has its length at least."""
        return 2 * (len(self.names) + self.has_lists) if text else self.row.itemsize + self.has_lists


@dataclass(frozen=True)
class PlyHeader:
    """The elements in the file's order: vertices first, or the chunks of a compressed one and then vertices."""

    format: Literal["ascii", "binary_little_endian", "binary_big_endian"]
    elements: tuple[PlyElement, ...]
    comments: tuple[str, ...]
    data_start: int
    """Bytes before the first element."""

    @property
    def vertex(self) -> PlyElement:
        return next(element for element in self.elements if element.name == "vertex")

    @property
    def count(self) -> int:
        return self.vertex.count

    @property
    def names(self) -> tuple[str, ...]:
        return self.vertex.names

    @property
    def kinds(self) -> tuple[str, ...]:
        return self.vertex.kinds

    @property
    def faces(self) -> int:
        return next((element.count for element in self.elements if element.name == "face"), 0)

    def note(self, key: str) -> str | None:
        """What recon wrote in the comments under `key`."""
        for comment in self.comments:
            if comment.startswith(f"recon {key} "):
                return comment.removeprefix(f"recon {key} ").strip()
        return None


def read_header(path: Path) -> PlyHeader:
    """What the file holds and where its data starts; raises `InputError` where it is no PLY, or shorter than it says.

    So whoever reads on may allocate what the header promises.
    """
    try:
        with regular(path).open("rb") as file:
            start = file.read(_LONGEST_HEADER)
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}.", advice="Check the path.") from error
    if not start.startswith(b"ply"):
        raise InputError(f"{path} is not a PLY file.", advice="Pass a .ply of Gaussian splats.")
    end = start.find(b"end_header")
    newline = start.find(b"\n", end)
    if end < 0 or newline < 0:
        raise _damaged(path, "it has no end_header line")
    header = _parse(path, start[:end].decode("latin-1").splitlines(), newline + 1)
    _check_size(path, header)
    return header


def _check_size(path: Path, header: PlyHeader) -> None:
    rows = sum(element.count for element in header.elements)
    promised = f"{header.count} vertices" + (f" and {header.faces} faces" if header.faces > 0 else "")
    available = path.stat().st_size - header.data_start
    text = header.format == "ascii"
    needed = sum(element.count * element.least_bytes(text=text) for element in header.elements) - (text and rows > 0)
    if needed > available:
        raise _cut_off(path, f"{promised}, {needed} bytes at least, and {available} follow")
    if text and (found := _lines_from(path, header.data_start, most=rows)) < rows:
        raise _cut_off(path, f"{promised}, {rows} lines, and {found} follow")


def _lines_from(path: Path, start: int, *, most: int) -> int:
    """How many lines the file has after `start`, counted no further than `most`."""
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        file.seek(start)
        while lines < most and (piece := file.read(_PIECE)):
            lines, last = lines + piece.count(b"\n"), piece[-1:]
    return min(lines + (last != b"\n"), most)


def _parse(path: Path, lines: list[str], data_start: int) -> PlyHeader:
    form, comments, elements = "", [], []
    for line in lines[1:]:
        match line.split():
            case [("comment" | "obj_info"), *_]:
                comments.append(line.partition(" ")[2])
            case ["format", form, _]:
                pass
            case ["element", name, count]:
                elements.append(PlyElement(name, _count(path, count), (), ()))
            case ["property", "list", *_] if len(elements) > 0:
                if elements[-1].name == "vertex":
                    raise _damaged(path, "its vertices hold lists, which splats do not have")
                elements[-1] = replace(elements[-1], has_lists=True)
            case ["property", kind, name] if len(elements) > 0:
                elements[-1] = _with_property(path, elements[-1], kind, name)
            case []:
                pass
            case _:
                raise _damaged(path, f"its header has the line {line[:60]!r}")
    if form not in _ORDERS:
        raise _damaged(path, f"its format is {form!r}" if form else "it names no format")
    names = [element.name for element in elements]
    if names[:1] != ["vertex"] and names[:2] != ["chunk", "vertex"]:
        raise _damaged(path, "its first element is not a list of vertices")
    if len(set(names)) < len(names) or any(len(element.names) == 0 for element in elements if not element.has_lists):
        raise _damaged(path, "an element appears twice or has no properties")
    ordered = [replace(e, kinds=tuple(_ORDERS[form] + kind for kind in e.kinds)) for e in elements]
    return PlyHeader(form, tuple(ordered), tuple(comments), data_start)  # pyright: ignore[reportArgumentType] - checked above


def _with_property(path: Path, element: PlyElement, kind: str, name: str) -> PlyElement:
    if kind not in _KINDS:
        raise _damaged(path, f"its property {name[:40]} has the unknown type {kind[:40]}")
    if name in element.names:
        raise _damaged(path, "a property appears twice")
    return replace(element, names=(*element.names, name), kinds=(*element.kinds, _KINDS[kind]))


def _count(path: Path, text: str) -> int:
    if not text.isdecimal() or int(text) > _MOST_VERTICES:
        raise _damaged(path, f"it claims {text[:40]} elements")
    return int(text)


def _cut_off(path: Path, what: str) -> InputError:
    return InputError(f"{path} is cut off: its header promises {what}.", advice="Copy or export the file again.")


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged or not a splat file: {why}.", advice="Copy or export the file again.")
