"""What a source of depth is, and what it answers. Everything is in inverse depth: errors of stereo are even there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from recon.types import Scene

__all__ = ["DepthKind", "DepthMap", "DepthPrior", "Progress"]

Progress = Callable[[float, str], None]
"""The share that is done, and what is being done."""

DepthKind = Literal["scene", "metric", "relative"]
"""Units of a depth map: world units of the scene; metres, or anything else that lacks a scale; or inverse depth that
lacks a scale and a shift, as networks give it."""


@dataclass(frozen=True)
class DepthMap:
    """Inverse depth of one photo at the size of its picture, at pixel centres, along the camera's z axis."""

    inverse: Float[Tensor, "h w"]
    """One over the depth, in what `kind` says. Meaningless where there is no confidence."""
    confidence: Float[Tensor, "h w"]
    """0 (unknown) to 1."""
    kind: DepthKind

    @property
    def known(self) -> Tensor:
        """Where there is any confidence."""
        return self.confidence > 0

    @property
    def depth(self) -> Float[Tensor, "h w"]:
        """0 where nothing is known. Only of maps that lack no shift."""
        assert self.kind != "relative", "align it first"
        known = self.known & (self.inverse > 0)
        return torch.where(known, 1 / torch.where(known, self.inverse, 1), 0)


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
