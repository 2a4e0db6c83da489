"""Networks for point clouds as tests want them: without a training, or after a moment of one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from shapes import CLASSES, box_cloud

from recon.priors.clouds.classifier import NetworkClassifier
from recon.priors.clouds.keeping import Trained, train_in_folder
from recon.priors.clouds.labelled import LabelledClouds
from recon.priors.clouds.networks import NetworkName, build_network
from recon.priors.clouds.training import CloudTraining, EpochReport

__all__ = ["QUICK", "taught", "untrained"]

QUICK = CloudTraining(epochs=3, batch=8, points=64)


def untrained(name: NetworkName = "pointnet2", points: int = 128) -> NetworkClassifier:
    """With random weights, and statistics of random clouds: scores that differ from cloud to cloud."""
    torch.manual_seed(0)
    network = build_network(name, 2)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.from_numpy(np.stack([box_cloud((1, 1 + i, 2), points, i) / 3 for i in range(8)])).float())
    return NetworkClassifier(network.eval(), CLASSES, points, 0.0)


def taught(
    folder: Path,
    clouds: LabelledClouds,
    network: NetworkName = "pointnet",
    config: CloudTraining = QUICK,
    *,
    resume: bool = False,
    start: tuple[Path, ...] = (),
    told: Callable[[EpochReport], None] = lambda _: None,
) -> Trained:
    return train_in_folder(
        folder, clouds, network, config, resume=resume, start=start, told=told, progress=lambda _: None
    )
