"""Cameras that training and renderers see through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Cameras"]


@dataclass(frozen=True)
class Cameras:
    """Pinhole cameras with any batch shape; `cameras[i]` is `Cameras`."""

    cam_from_world: Float[Tensor, "*n 4 4"]
    focal: Float[Tensor, "*n 2"]
    """fx, fy in pixels."""
    center: Float[Tensor, "*n 2"]
    """cx, cy in pixels; the image centre is (width / 2, height / 2)."""
    width: Int[Tensor, "*n"]
    height: Int[Tensor, "*n"]

    def __len__(self) -> int:
        return len(self.focal)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> Cameras:
        return Cameras(*(getattr(self, name)[index] for name in self.__dataclass_fields__))

    def to(self, device: torch.device | str) -> Cameras:
        """There. Nothing waits for a GPU that they are sent to."""
        there = torch.device(device)
        fields = (getattr(self, name) for name in self.__dataclass_fields__)
        return Cameras(*(field.to(there, non_blocking=there.type == "cuda") for field in fields))

    @property
    def position(self) -> Float[Tensor, "*n 3"]:
        """Camera centres in the world."""
        rotation, translation = self.cam_from_world[..., :3, :3], self.cam_from_world[..., :3, 3]
        return -(rotation.mT @ translation[..., None])[..., 0]

    def resized(self, longest_side: int) -> Cameras:
        """The same cameras with images whose longest side is `longest_side` pixels, rounded to whole pixels."""
        longest = torch.maximum(self.width, self.height)
        width = (self.width * longest_side / longest).round().clamp(min=1)
        height = (self.height * longest_side / longest).round().clamp(min=1)
        scale = torch.stack([width / self.width, height / self.height], dim=-1)
        return replace(
            self,
            focal=self.focal * scale,
            center=self.center * scale,
            width=width.to(self.width.dtype),
            height=height.to(self.height.dtype),
        )
