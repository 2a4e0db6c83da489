"""The networks by the name that they have on the command line and in files of weights."""

from __future__ import annotations

from typing import Literal, get_args

from torch import nn

from recon.priors.clouds.pointnet import PointNet
from recon.priors.clouds.pointnet2 import MULTI_SCALE, SINGLE_SCALE, PointNet2

__all__ = ["NETWORKS", "NetworkName", "build_network"]

NetworkName = Literal["pointnet", "pointnet2", "pointnet2-msg"]
NETWORKS: tuple[NetworkName, ...] = get_args(NetworkName)


def build_network(name: NetworkName, classes: int) -> nn.Module:
    """Untrained; takes points `[b n 3]` of radius 1, z up, and gives an `Answer`."""
    match name:
        case "pointnet":
            return PointNet(classes)
        case "pointnet2":
            return PointNet2(classes, SINGLE_SCALE)
        case "pointnet2-msg":
            return PointNet2(classes, MULTI_SCALE)
