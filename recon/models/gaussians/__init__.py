"""3D Gaussian splatting."""

from __future__ import annotations

import torch

from recon.models.gaussians.config import AdaptiveDensity, DepthTerms, GaussianConfig, Mcmc, Rates
from recon.models.gaussians.initialise import gaussians_from_scene
from recon.models.gaussians.model import GaussianModel
from recon.types import Scene

__all__ = ["AdaptiveDensity", "DepthTerms", "GaussianConfig", "GaussianModel", "Mcmc", "Rates", "build_gaussians"]


def build_gaussians(
    config: GaussianConfig, scene: Scene, *, steps: int, seed: int, device: torch.device | str = "cpu"
) -> GaussianModel:
    """A model of the scene's points, ready to train."""
    first = gaussians_from_scene(
        scene,
        sh_degree=config.sh_degree,
        opacity=config.initial_opacity,
        scale=config.initial_scale,
        random_points=config.random_points,
        most=config.max_gaussians,
        generator=torch.Generator().manual_seed(seed),
    )
    return GaussianModel(
        config,
        first,
        extent=scene.extent,
        cameras=scene.cameras,
        trained=scene.train,
        steps=steps,
        seed=seed,
        device=device,
    )
