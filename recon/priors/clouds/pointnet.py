"""PointNet: every point on its own, then the largest of each channel over the cloud.

Two small networks of the same kind turn the points, and then their features, before the next layers see them.
Source: Qi et al. 2017, "PointNet: Deep Learning on Point Sets", 4.2 and appendix C. The layers before each maximum are
half as wide as the paper's or less, for ten classes instead of forty.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recon.priors.clouds.layers import Answer, SharedLayers, head

__all__ = ["PointNet"]

ORTHOGONAL = 1e-3
"""Weight of how far the features' transform is from a rotation (the paper's)."""


class PointNet(nn.Module):
    def __init__(self, classes: int) -> None:
        super().__init__()
        self.turn_points = Transform(3)
        self.points = SharedLayers(3, (64, 64))
        self.turn_features = Transform(64)
        self.features = SharedLayers(64, (64, 128, 512))
        self.head = head(512, (256, 128), classes, dropout=0.3)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Answer:
        local = self.points(points @ self.turn_points(points))
        turn = self.turn_features(local)
        cloud = self.features.largest(local @ turn)
        return Answer(self.head(cloud), ORTHOGONAL * _from_a_rotation(turn))


class Transform(nn.Module):
    """A matrix for each cloud: the T-Net. Starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.points = SharedLayers(channels, (32, 64, 256))
        self.cloud = SharedLayers(256, (128, 64))
        self.matrix = nn.Linear(64, channels**2)
        nn.init.zeros_(self.matrix.weight)
        with torch.no_grad():
            self.matrix.bias.copy_(torch.eye(channels).flatten())

    def forward(self, values: Float[Tensor, "b n c"]) -> Float[Tensor, "b c c"]:
        cloud = self.cloud(self.points.largest(values))
        return self.matrix(cloud).view(len(values), values.shape[2], values.shape[2])


def _from_a_rotation(turn: Float[Tensor, "b c c"]) -> Float[Tensor, ""]:
    """The mean squared distance of A A^T from the identity."""
    turn = turn.float()
    off = turn @ turn.transpose(1, 2) - torch.eye(turn.shape[1], device=turn.device)
    return off.square().sum(dim=(1, 2)).mean()
