"""The networks by the name that they have on the command line and in files of weights."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from recon.priors.clouds.pointnet import PointNet
from recon.priors.clouds.pointnet2 import MULTI_SCALE, SINGLE_SCALE, MultiResolution, PointNet2

__all__ = ["NETWORKS", "PARTS", "NetworkName", "build_network"]

NetworkName = Literal["pointnet", "pointnet2", "pointnet2-ssg", "pointnet2-msg"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)
PARTS: dict[NetworkName, dict[NetworkName, str]] = {"pointnet2": {"pointnet2-ssg": "grouped", "pointnet": "points"}}
"""Networks that others are made of, and their names there: one may begin with the weights of its parts."""


def build_network(name: NetworkName, classes: int) -> nn.Module:
    """Untrained; takes points `[b n 3]` of radius 1, z up, and gives an `Answer`."""
    match name:
        case "pointnet":
            return PointNet(classes)
        case "pointnet2":
            return MultiResolution(classes)
        case "pointnet2-ssg":
            return PointNet2(classes, SINGLE_SCALE)
        case "pointnet2-msg":
            return PointNet2(classes, MULTI_SCALE)
