"""What a source of features is, and what it answers.

Letters: `y x` rows and columns of cells that a photo is cut into, `d` channels of a cell, `e` numbers of a whole photo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["FeatureExtractor", "PhotoFeatures", "Progress", "ReadsWords"]

Progress = Callable[[float], None]
"""The share that is done."""


@dataclass(frozen=True)
class PhotoFeatures:
    """Of one photo. Scalar products of cells say how alike they are, and so do those of whole photos."""

    cells: Float[Tensor, "y x d"]
    """Cells of equal size that cover the photo."""
    whole: Float[Tensor, "e"]
    """A unit vector."""


@runtime_checkable
class FeatureExtractor(Protocol):
    """A source of features: descriptors made by hand, or a network.

    One of them = one module here and one case in `recon.priors.features.choice`, which knows them by name.
    """

    name: str
    """What made the features, for people and for files."""

    def extract(self, photos: Sequence[UInt8[Tensor, "_h _w 3"]], progress: Progress) -> Iterator[PhotoFeatures]:
        """Of each photo, in their order; features of one set are comparable, those of two need not be.

        Photos are asked for one at a time, perhaps more than once. Raises `ReconError` where they do not serve.
        """
        ...


@runtime_checkable
class ReadsWords(Protocol):
    """An extractor whose cells can be compared with words."""

    def words(self, texts: Sequence[str]) -> Float[Tensor, "t d"]:
        """Unit vectors in the space of the cells."""
        ...
