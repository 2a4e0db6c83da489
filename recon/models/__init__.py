"""What can be trained: one folder a model, one name in the union, one case here."""

from __future__ import annotations

from typing import assert_never

import torch

from recon.errors import InputError
from recon.models.classic import ClassicNerfConfig, build_classic
from recon.models.gaussians import GaussianConfig, build_gaussians
from recon.models.nerf import NerfConfig, build_nerf
from recon.types import Model, Scene

__all__ = ["ClassicNerfConfig", "GaussianConfig", "ModelConfig", "NerfConfig", "build_model", "runs_on_gpu"]

ModelConfig = GaussianConfig | NerfConfig | ClassicNerfConfig
"""The command line gets its subcommands from this union."""


def build_model(
    config: ModelConfig, scene: Scene, *, steps: int, seed: int = 0, device: torch.device | str = "cpu"
) -> Model:
    """An untrained model of the scene. `steps` sets its schedules where the trainer does not pace them."""
    if torch.device(device).type != "cpu" and not runs_on_gpu(config):
        raise InputError("Radiance fields are trained on the CPU only.", advice="Use --device cpu, or gaussians.")
    match config:
        case GaussianConfig():
            return build_gaussians(config, scene, steps=steps, seed=seed, device=device)
        case NerfConfig():
            return build_nerf(config, scene, steps=steps, seed=seed)
        case ClassicNerfConfig():
            return build_classic(config, scene, steps=steps, seed=seed)
        case _:
            assert_never(config)


def runs_on_gpu(config: ModelConfig) -> bool:
    """Whether there are CUDA kernels for the model's training step."""
    return isinstance(config, GaussianConfig)
