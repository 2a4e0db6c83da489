"""What a model wants to begin with where depth is known."""

from dataclasses import dataclass

__all__ = ["FirstPoints"]


@dataclass(frozen=True)
class FirstPoints:
    """Numbers of points."""

    on_depth: int = 0
    """On known depths."""
    around: int = 0
    """On a sphere around all of that: what no photo shows is then no hole."""
