"""What can be trained: one folder a model, one name in the union, one case here."""

from __future__ import annotations

from typing import assert_never

import torch

from recon.errors import InputError
from recon.models.gaussians import GaussianConfig, build_gaussians
from recon.types import Model, Scene

__all__ = ["GaussianConfig", "ModelConfig", "build_model"]

ModelConfig = GaussianConfig
"""The command line gets its subcommands from this union."""


def build_model(
    config: ModelConfig, scene: Scene, *, steps: int, seed: int = 0, device: torch.device | str = "cpu"
) -> Model:
    """An untrained model of the scene. `steps` sets its schedules where the trainer does not pace them."""
    if torch.device(device).type != "cpu":
        raise InputError(f"Training on {device} is not possible yet.", advice="Use --device cpu.")
    match config:
        case GaussianConfig():
            return build_gaussians(config, scene, steps=steps, seed=seed)
        case _:
            assert_never(config)
