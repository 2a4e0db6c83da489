"""What can be trained: one folder a model, one name in the union, one case here."""

from __future__ import annotations

from typing import assert_never

import torch

from recon.models.classic import ClassicNerfConfig, build_classic
from recon.models.gaussians import GaussianConfig, build_gaussians
from recon.models.nerf import NerfConfig, build_nerf
from recon.types import Model, Scene

__all__ = ["ClassicNerfConfig", "GaussianConfig", "ModelConfig", "NerfConfig", "build_model"]

ModelConfig = GaussianConfig | NerfConfig | ClassicNerfConfig
"""The command line gets its subcommands from this union."""


def build_model(
    config: ModelConfig, scene: Scene, *, steps: int, seed: int = 0, device: torch.device | str = "cpu"
) -> Model:
    """An untrained model of the scene. `steps` sets its schedules where the trainer does not pace them."""
    match config:
        case GaussianConfig():
            return build_gaussians(config, scene, steps=steps, seed=seed, device=device)
        case NerfConfig():
            return build_nerf(config, scene, steps=steps, seed=seed, device=device)
        case ClassicNerfConfig():
            return build_classic(config, scene, steps=steps, seed=seed, device=device)
        case _:
            assert_never(config)
