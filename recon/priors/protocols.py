"""What a source of depth is. What it answers, a `DepthMap`, is one of the nouns (recon.types)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

from recon.types import DepthKind, DepthMap, Scene

__all__ = ["DepthKind", "DepthMap", "DepthPrior", "Progress"]

Progress = Callable[[float, str], None]
"""The share that is done, and what is being done."""


@runtime_checkable
class DepthPrior(Protocol):
    """A source of depth: a network that looks at a photo alone, stereo between posed photos, a sensor's files.

    One of them = one module here and one case in `recon.priors.depth.depth_prior`, which knows them by name.
    """

    def predict(self, scene: Scene, views: Sequence[int], progress: Progress) -> Iterator[DepthMap]:
        """A map for each of `views` (indices into the scene), in their order, not aligned to the sparse points.

        No photo but these is looked at, so what is held out stays unseen. Raises `ReconError` where photos, weights or
        files do not serve.
        """
        ...
