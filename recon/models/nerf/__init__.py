"""A radiance field in hash grids."""

from __future__ import annotations

from recon.models.nerf.config import Detail, LossWeights, NerfConfig, NerfRates
from recon.models.nerf.model import NerfModel
from recon.models.rays.bounds import choose_bounds
from recon.types import Scene

__all__ = ["Detail", "LossWeights", "NerfConfig", "NerfModel", "NerfRates", "build_nerf"]


def build_nerf(config: NerfConfig, scene: Scene, *, steps: int, seed: int) -> NerfModel:
    """A field of the part of the world that the scene's photos show, ready to train."""
    return NerfModel(config, scene, choose_bounds(scene, config.scene, near=config.near), steps=steps, seed=seed)
