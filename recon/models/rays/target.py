"""What rays of a batch should see, and how far they are from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from recon.types import Batch

__all__ = ["Background", "Target", "colour_loss", "entropy"]

Background = Literal["random", "black", "white"]
_BEND = 0.1
"""Error in colour above which it counts in proportion instead of squared."""


@dataclass(frozen=True)
class Target:
    """Colours in front of a background that changes with every ray: what is not there cannot be made up by it."""

    rgb: Float[Tensor, "r 3"]
    background: Float[Tensor, "r 3"]
    weight: Float[Tensor, "r"]
    """Sums to one; all zeros where every pixel is ignored."""

    @classmethod
    def of(cls, batch: Batch, background: Background, generator: torch.Generator) -> Target:
        rgb = batch.rgb.float() / 255
        behind = _background(len(rgb), background, generator).to(rgb.device, non_blocking=True)
        if batch.alpha is not None:
            alpha = batch.alpha.float()[:, None] / 255
            rgb = rgb * alpha + behind * (1 - alpha)
        weight = rgb.new_ones(len(rgb)) if batch.mask is None else batch.mask.float()
        return cls(rgb, behind, weight / weight.sum().clamp(min=1e-6))

    def first(self, count: int) -> Target:
        """Without the other rays."""
        weight = self.weight[:count]
        return Target(self.rgb[:count], self.background[:count], weight / weight.sum().clamp(min=1e-6))


def colour_loss(
    rgb: Float[Tensor, "r 3"], alpha: Float[Tensor, "r"], target: Target, kind: Literal["huber", "l2"]
) -> Float[Tensor, ""]:
    """Mean over rays of the difference between premultiplied `rgb`, composed over the background, and the target."""
    difference = rgb + (1 - alpha)[:, None] * target.background - target.rgb
    square = difference.square()
    if kind == "huber":
        away = difference.abs()
        square = torch.where(away <= _BEND, square, _BEND * (2 * away - _BEND))
    return (square.mean(dim=-1) * target.weight).sum()


def entropy(alpha: Float[Tensor, "r"]) -> Float[Tensor, ""]:
    """How undecided rays are between seeing something and nothing: 0 when all are sure. Nats."""
    sure = alpha.clamp(1e-4, 1 - 1e-4)
    return -(sure * sure.log() + (1 - sure) * (1 - sure).log()).mean()


def _background(count: int, kind: Background, generator: torch.Generator) -> Float[Tensor, "r 3"]:
    match kind:
        case "random":
            return torch.rand(count, 3, generator=generator)
        case "white":
            return torch.ones(count, 3)
        case "black":
            return torch.zeros(count, 3)
