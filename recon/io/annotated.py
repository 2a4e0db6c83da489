"""Points with the thing that each belongs to, as a PLY: colours for people, numbers for programs."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from recon.io.disk import write_whole

__all__ = ["colour_of", "write_annotated"]

_NOTHING = (150, 150, 150)
_GOLDEN = 0.61803399
"""Steps of the hue, so that neighbours in number differ most."""


def colour_of(number: int) -> tuple[int, int, int]:
    """sRGB of thing `number`; gray for -1."""
    if number < 0:
        return _NOTHING
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb((number * _GOLDEN) % 1, 0.75, 0.95))
    return red, green, blue


def write_annotated(
    path: Path,
    xyz: Float[np.ndarray, "p 3"],
    owner: Int[np.ndarray, "p"],
    labels: Sequence[str],
    confidence: Sequence[float],
) -> None:
    """`owner` is a number for `labels` and `confidence`, or -1. Positions are doubles, for scans far away."""
    kinds = [*((axis, "<f8") for axis in "xyz"), *((name, "u1") for name in ("red", "green", "blue"))]
    table = np.empty(len(xyz), dtype=[*kinds, ("object", "<i4"), ("confidence", "<f4")])
    colours = np.array([colour_of(number) for number in range(-1, len(labels))], dtype=np.uint8)[owner + 1]
    for column, name in enumerate("xyz"):
        table[name] = xyz[:, column]
    for column, name in enumerate(("red", "green", "blue")):
        table[name] = colours[:, column]
    table["object"] = owner
    table["confidence"] = np.array([0.0, *confidence])[owner + 1]
    words = {"<f8": "double", "u1": "uchar", "<i4": "int", "<f4": "float"}
    lines = ["ply", "format binary_little_endian 1.0"]
    lines += [f"comment object {number} is {label}" for number, label in enumerate(labels)]
    lines += [f"element vertex {len(xyz)}"]
    lines += [f"property {words[kind]} {name}" for name, kind in [*kinds, ("object", "<i4"), ("confidence", "<f4")]]
    write_whole(path, "\n".join([*lines, "end_header", ""]).encode() + table.tobytes())
