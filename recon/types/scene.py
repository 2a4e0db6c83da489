"""What training works on: cameras, pictures and points in step, and the part of it that one step sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from recon.types.cameras import Cameras
from recon.types.capture import Points

__all__ = ["Batch", "DepthKind", "DepthMap", "ImageStore", "Picture", "Pixels", "Scene"]


@dataclass(frozen=True)
class Picture:
    """One photo at working resolution, undistorted."""

    rgb: UInt8[Tensor, "h w 3"]
    """Straight (not premultiplied) sRGB."""
    alpha: UInt8[Tensor, "h w"] | None = None
    """Coverage of the subject: the scene behind it is empty, and the trainer blends in a background."""
    mask: UInt8[Tensor, "h w"] | None = None
    """Weight of each pixel in the loss, 0 ignored, 255 full."""


DepthKind = Literal["scene", "metric", "relative"]
"""Units of a depth map: world units of the scene; metres, or anything else that lacks a scale; or inverse depth that
lacks a scale and a shift, as networks give it."""


@dataclass(frozen=True)
class DepthMap:
    """What is known of a photo's depth, at its picture's pixel centres: inverse, for errors are even in that."""

    inverse: Float[Tensor, "h w"]
    """One over the depth along the camera's z axis, in what `kind` says. Meaningless where there is no confidence."""
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

    def to(self, device: torch.device | str) -> DepthMap:
        return DepthMap(self.inverse.to(device), self.confidence.to(device), self.kind)


@runtime_checkable
class ImageStore(Protocol):
    """Pictures by view index, loaded when asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int) -> Picture: ...


@dataclass(frozen=True)
class Scene:
    """Everything needed to train: cameras and pictures in step, sparse points, and the way back to the input frame."""

    names: tuple[str, ...]
    cameras: Cameras
    images: ImageStore
    points: Points
    train: tuple[int, ...]
    """Indices of the views trained on."""
    test: tuple[int, ...]
    """Indices of the views held out; may be empty."""
    input_from_world: Float[Tensor, "4 4"] = field(default_factory=lambda: torch.eye(4))
    """Uniform scale and translation, no rotation."""
    up: Float[Tensor, "3"] = field(default_factory=lambda: torch.tensor([0.0, -1.0, 0.0]))
    """Unit vector against gravity, the same in world and input frame."""
    transparent: bool = False
    """The photos have an alpha channel: they show a thing cut out of its background."""
    depths: Mapping[int, DepthMap] = field(default_factory=dict)
    """Depth of some views by their index, in world units, where something but the model told it."""

    def __len__(self) -> int:
        return len(self.names)

    @property
    def extent(self) -> float:
        """Radius of the training cameras around their mean, at least a tenth of their median distance to the points.

        World units. It scales the learning rate of positions. Source: Kerbl et al. 2023, with a floor for tripods.
        """
        position = self.cameras[list(self.train)].position
        radius = float((position - position.mean(dim=0)).norm(dim=-1).max()) * 1.1
        if len(self.points) == 0:
            return max(radius, 1e-3)
        distance = (self.points.xyz.median(dim=0).values - position).norm(dim=-1).median()
        return max(radius, 0.1 * float(distance), 1e-6)


Pixels = Float[Tensor, "r 2"]
"""Image positions (x, y) in pixels."""


@dataclass(frozen=True)
class Batch:
    """What one step looks at: a whole image of one camera, or single pixels of many."""

    cameras: Cameras
    rgb: UInt8[Tensor, "*shape 3"]
    indices: tuple[int, ...]
    """Which views of the scene these are, for per-image parameters."""
    alpha: UInt8[Tensor, "*shape"] | None = None
    mask: UInt8[Tensor, "*shape"] | None = None
    pixels: Float[Tensor, "r 2"] | None = None
    """Where the pixels are; None for a whole image."""
    depth: DepthMap | None = None
    """What is known of a whole image's depth, in world units."""
    camera_of: Int[Tensor, "r"] | None = None
    """Which of `cameras` each pixel belongs to; `cameras` and `indices` have a batch dimension then."""
