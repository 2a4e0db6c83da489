"""What PointNet and PointNet++ are made of. Letters: `b` clouds, `n` points, `k` neighbours, `c` and `d` channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

__all__ = ["Answer", "Normalised", "SharedLayers", "head", "take"]


class Answer(NamedTuple):
    """What a network says about clouds."""

    logits: Float[Tensor, "b d"]
    penalty: Float[Tensor, ""]
    """A term of the network's own for the loss."""


class Normalised(nn.Module):
    """Batch normalisation of rows of channels, and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, values: Float[Tensor, "*rows d"]) -> Float[Tensor, "*rows d"]:
        return F.relu(self.norm(values.flatten(0, -2))).view(values.shape)


class SharedLayers(nn.Sequential):
    """The same small network for every row: linear, normalised, and again. Conv1d of kernel 1 in the papers."""

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(channels, width, bias=False), Normalised(width)]
            channels = width
        super().__init__(*layers)

    def largest(self, rows: Float[Tensor, "*b n c"]) -> Float[Tensor, "*b d"]:
        """The largest of each channel over `n` rows, of what the last linear layer says; then normalised.

        A normalisation and ReLU that rise keep what is largest, so this is what the papers' order says, for a part of
        the work. The gradient goes to one of equals: `amax` would share it, at twice the cost of all else.
        """
        *before, last = self
        for layer in before:
            rows = layer(rows)
        return last(rows.max(dim=-2).values if torch.is_grad_enabled() else rows.amax(dim=-2))


def head(channels: int, widths: Sequence[int], classes: int, *, dropout: float) -> nn.Sequential:
    """From one feature a cloud to a logit a class."""
    layers: list[nn.Module] = []
    for width in widths:
        layers += [SharedLayers(channels, [width]), nn.Dropout(dropout)]
        channels = width
    return nn.Sequential(*layers, nn.Linear(channels, classes))


def take(values: Float[Tensor, "b n c"], index: Int[Tensor, "b *k"]) -> Float[Tensor, "b *k c"]:
    """Each cloud's rows at its indices. As an embedding: the gradient of an index sums rows one by one."""
    clouds, count, _ = values.shape
    first = torch.arange(clouds, device=index.device).view(-1, *(1 for _ in index.shape[1:])) * count
    return F.embedding(index + first, values.flatten(0, 1))
