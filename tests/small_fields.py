"""Radiance fields small enough to train in a second."""

from __future__ import annotations

import pytest
import torch

from recon.models import ClassicNerfConfig, NerfConfig, build_model
from recon.models.nerf import Detail
from recon.training import TrainState
from recon.types import Scene

__all__ = ["CLASSIC", "MODELS", "SMALL", "start"]

SMALL = NerfConfig(
    samples=4096,
    precision="fp32",
    detail=Detail(levels=4, entries=12, finest=64, width=16, occupancy=16, steps_across=64),
)
CLASSIC = ClassicNerfConfig(rays=128, coarse=16, fine=16, layers=3, width=48, position_bands=4)
MODELS = pytest.mark.parametrize("config", [SMALL, CLASSIC], ids=["nerf", "nerf-classic"])


def start(
    scene: Scene,
    config: NerfConfig | ClassicNerfConfig,
    *,
    steps: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> TrainState:
    return TrainState.start(build_model(config, scene, steps=steps, seed=seed, device=device), scene, seed=seed)
