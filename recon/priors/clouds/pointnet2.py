"""PointNet++: small PointNets around points spread over the cloud, level above level.

A level chooses centres by farthest-point sampling, gathers the points in balls around each, and keeps the largest of
each channel over a ball. Where a level has several scales, balls of several radii answer side by side; with several
resolutions, a PointNet of all points answers beside the levels.
Source: Qi et al. 2017, "PointNet++", 3; offsets are divided by the ball's radius as in Qian et al. 2022, "PointNeXt".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recon.ops.point_sets import ball_query, farthest_points
from recon.priors.clouds.layers import Answer, Normalised, SharedLayers, head, take
from recon.priors.clouds.pointnet import PointNet

__all__ = ["MULTI_SCALE", "SINGLE_SCALE", "Level", "MultiResolution", "PointNet2", "Scale"]


@dataclass(frozen=True)
class Scale:
    """Balls of one size; clouds have radius 1."""

    radius: float
    neighbours: int
    widths: tuple[int, ...]


@dataclass(frozen=True)
class Level:
    centers: int
    scales: tuple[Scale, ...]


SINGLE_SCALE = (
    Level(128, (Scale(0.2, 16, (32, 32, 64)),)),
    Level(32, (Scale(0.4, 32, (64, 64, 128)),)),
)
MULTI_SCALE = (
    Level(256, (Scale(0.1, 8, (16, 16, 32)), Scale(0.2, 16, (32, 32, 64)), Scale(0.4, 32, (32, 48, 64)))),
    Level(64, (Scale(0.2, 8, (48, 64)), Scale(0.4, 16, (64, 64, 128)), Scale(0.8, 32, (64, 64, 128)))),
)


class PointNet2(nn.Module):
    def __init__(self, classes: int, levels: Sequence[Level]) -> None:
        super().__init__()
        channels = 0
        self.levels = nn.ModuleList()
        for level in levels:
            self.levels.append(SetAbstraction(level, channels))
            channels = sum(scale.widths[-1] for scale in level.scales)
        self.cloud = SharedLayers(3 + channels, (128, 256, 512))
        self.head = head(512, (256, 128), classes, dropout=0.4)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Answer:
        features = None
        for level in self.levels:
            points, features = level(points, features)
        assert features is not None
        whole = self.cloud.largest(torch.cat([points.to(features), features], dim=2))
        return Answer(self.head(whole), points.new_zeros(()))


class MultiResolution(nn.Module):
    """Multi-resolution grouping of the last level, the whole cloud: what the levels below say of it beside what a
    PointNet says of all its points.

    Each has a head and the logits are averaged, where the paper joins the features before one head (3.3). They err
    differently, the one about what is far apart and the other about what is small, and each can be trained alone.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.grouped = PointNet2(classes, SINGLE_SCALE)
        self.points = PointNet(classes)

    def forward(self, points: Float[Tensor, "b n 3"]) -> Answer:
        grouped, single = self.grouped(points), self.points(points)
        return Answer((grouped.logits + single.logits) / 2, grouped.penalty + single.penalty)


class SetAbstraction(nn.Module):
    """One level: from points with features to fewer points with more."""

    def __init__(self, level: Level, channels: int) -> None:
        super().__init__()
        self.centers = level.centers
        self.balls = nn.ModuleList(Ball(scale, channels) for scale in level.scales)

    def forward(
        self, points: Float[Tensor, "b n 3"], features: Float[Tensor, "b n c"] | None
    ) -> tuple[Float[Tensor, "b s 3"], Float[Tensor, "b s d"]]:
        centers = take(points, farthest_points(points, min(self.centers, points.shape[1])))
        return centers, torch.cat([ball(centers, points, features) for ball in self.balls], dim=2)


class Ball(nn.Module):
    """A small PointNet on the points within a radius of each centre.

    The first layer is linear in offset and features together, so that each point's features go through it once and not
    once a ball.
    """

    def __init__(self, scale: Scale, channels: int) -> None:
        super().__init__()
        first, *rest = scale.widths
        self.radius, self.neighbours = scale.radius, scale.neighbours
        self.offsets = nn.Linear(3, first, bias=False)
        self.features = nn.Linear(channels, first, bias=False) if channels > 0 else None
        self.first = Normalised(first)
        self.rest = SharedLayers(first, rest)

    def forward(
        self, centers: Float[Tensor, "b s 3"], points: Float[Tensor, "b n 3"], features: Float[Tensor, "b n c"] | None
    ) -> Float[Tensor, "b s d"]:
        inside = ball_query(centers, points, radius=self.radius, count=self.neighbours)
        values = self.offsets((take(points, inside) - centers[:, :, None]) / self.radius)
        if self.features is not None:
            values = values + take(self.features(features), inside)
        return self.rest.largest(self.first(values))
