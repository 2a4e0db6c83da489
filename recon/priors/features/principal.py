"""The directions in which features of a set differ most: fewer numbers for a feature, and colours to look at."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

__all__ = ["Principal"]

_EVEN = 0.25
"""Exponent of a direction's variance in what it is divided by: halfway between as it is (0) and whitened (0.5), where
the faintest directions, which are noise, would count as much as the strongest."""


@dataclass(frozen=True)
class Principal:
    """Coordinates along the strongest directions."""

    mean: Float[Tensor, "d"]
    directions: Float[Tensor, "d c"]
    variances: Float[Tensor, "c"]

    @staticmethod
    def of(features: Float[Tensor, "n d"], count: int) -> Principal:
        """The `count` strongest directions of these, or as many as there are. Signs: the largest part is positive."""
        mean = features.double().mean(dim=0)
        centred = features.double() - mean
        variances, directions = torch.linalg.eigh(centred.T @ centred / max(len(features), 1))
        count = min(count, len(variances))
        variances, directions = variances.flip(0)[:count].clamp(min=0), directions.flip(1)[:, :count]
        largest = directions.abs().argmax(dim=0)
        directions = directions * directions.gather(0, largest[None]).sign()
        return Principal(mean.float(), directions.float(), variances.float())

    def coordinates(self, features: Float[Tensor, "*n d"]) -> Float[Tensor, "*n c"]:
        """Half whitened."""
        scale = self.variances.clamp(min=1e-6 * float(self.variances.max()) + 1e-20) ** -_EVEN
        return (features - self.mean) @ (self.directions * scale)

    def colours(self, features: Float[Tensor, "*n d"]) -> UInt8[Tensor, "*n 3"]:
        """The three strongest directions as red, green and blue, gray at the mean."""
        shown = self.directions[:, :3] / (5 * self.variances[:3].sqrt().clamp(min=1e-12))
        rgb = torch.zeros(*features.shape[:-1], 3) + 0.5
        rgb[..., : shown.shape[1]] += (features - self.mean) @ shown
        return (rgb.clamp(0, 1) * 255).round().to(torch.uint8)
