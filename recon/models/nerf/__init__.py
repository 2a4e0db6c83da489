"""A radiance field in hash grids."""

from __future__ import annotations

import torch

from recon.models.nerf.config import Detail, LossWeights, NerfConfig, NerfRates
from recon.models.nerf.model import NerfModel
from recon.models.rays.bounds import choose_bounds
from recon.types import Scene

__all__ = ["Detail", "LossWeights", "NerfConfig", "NerfModel", "NerfRates", "build_nerf"]


def build_nerf(
    config: NerfConfig, scene: Scene, *, steps: int, seed: int, device: torch.device | str = "cpu"
) -> NerfModel:
    """A field of the part of the world that the scene's photos show, ready to train."""
    bounds = choose_bounds(scene, config.scene, near=config.near)
    return NerfModel(config, scene, bounds, steps=steps, seed=seed, device=device)
