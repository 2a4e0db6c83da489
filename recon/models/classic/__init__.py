"""The radiance field of 2020."""

from __future__ import annotations

import torch

from recon.models.classic.config import ClassicNerfConfig, ClassicRates
from recon.models.classic.model import ClassicNerfModel
from recon.models.rays.bounds import choose_bounds
from recon.types import Scene

__all__ = ["ClassicNerfConfig", "ClassicNerfModel", "ClassicRates", "build_classic"]


def build_classic(
    config: ClassicNerfConfig, scene: Scene, *, steps: int, seed: int, device: torch.device | str = "cpu"
) -> ClassicNerfModel:
    """Two networks for the part of the world that the scene's photos show, ready to train."""
    bounds = choose_bounds(scene, config.scene, near=config.near)
    return ClassicNerfModel(config, bounds, steps=steps, seed=seed, device=device)
