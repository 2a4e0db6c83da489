"""A number for each splat that says what it belongs to, and names for the numbers."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Int
from torch import Tensor

from recon.io.ply_header import PlyHeader

__all__ = ["Labels", "comments_of_labels", "names_in"]


@dataclass(frozen=True)
class Labels:
    """Of splats, in their order."""

    numbers: Int[Tensor, "g"]
    """0: belongs to nothing that has a name."""
    names: tuple[str, ...]
    """Of 1, 2 and so on."""

    def only(self, kept: Bool[Tensor, "g"] | Int[Tensor, "k"]) -> Labels:
        """Those of some splats."""
        return Labels(self.numbers[kept], self.names)


def comments_of_labels(labels: Labels) -> list[str]:
    """Header lines of a PLY: `comment recon label1 NAME`."""
    return [f"comment recon label{number} {name}" for number, name in enumerate(labels.names, start=1)]


def names_in(header: PlyHeader, count: int) -> tuple[str, ...]:
    """Of the labels up to `count`; the number itself where the file does not say."""
    return tuple(header.note(f"label{number}") or str(number) for number in range(1, count + 1))
