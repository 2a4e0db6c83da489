"""Depth for a training: from --depth to a scene with denser points and depth maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

import torch

from recon.cli.console import Console
from recon.errors import InputError
from recon.models import GaussianConfig, ModelConfig
from recon.models.gaussians import Mcmc
from recon.priors.depth import DepthName, depth_prior
from recon.priors.depth.known import known_depths
from recon.priors.seeding import points_of_depths
from recon.types import DepthMap, Points, Reconstruction, Scene

__all__ = ["ToGuide", "guided", "require_guidable"]

_NAMED = 8
"""At most so many photos without depth are listed."""


@runtime_checkable
class ToGuide(Protocol):
    """Options of a training that may be guided."""

    @property
    def depth(self) -> DepthName | Literal["none"]: ...
    @property
    def depth_from(self) -> Path | None: ...
    @property
    def model(self) -> ModelConfig: ...
    @property
    def seed(self) -> int: ...


def require_guidable(model: ModelConfig) -> None:
    """Raise `InputError` unless the model learns from depth."""
    if not isinstance(model, GaussianConfig):
        raise InputError("--depth helps Gaussians only.", advice="Leave out --depth, or train gaussians.")
    if not isinstance(model.density, Mcmc):
        raise InputError("--depth needs the mcmc density.", advice="Leave out adaptive-density.")


def guided(scene: Scene, reconstruction: Reconstruction, options: ToGuide, console: Console) -> Scene:
    """The scene with what --depth says of its training photos; itself without --depth."""
    if options.depth == "none":
        return scene
    assert isinstance(options.model, GaussianConfig)
    prior = depth_prior(options.depth, reconstruction, source=options.depth_from)
    if options.depth != "stereo" and len(reconstruction.points) == 0:
        raise InputError(
            f"--depth {options.depth} has no scale, and there are no sparse points to take one from.",
            advice="Use --depth stereo, or leave out --depth.",
        )
    depths: dict[int, DepthMap] = {}
    with console.stage("depth") as stage:
        left_out: list[str] = []
        for view, depth in zip(scene.train, known_depths(prior, scene, scene.train, stage.progress), strict=True):
            if isinstance(depth, InputError):
                left_out.append(depth.message)
            else:
                depths[view] = depth
        if len(depths) == 0:
            raise InputError(f"No photo has depth: {left_out[0]}", advice="Leave out --depth.")
        count = round(options.model.depth_terms.points * options.model.max_gaussians)
        found = points_of_depths(depths, scene.cameras, scene.images, count=count, seed=options.seed)
        known = sum(float(depth.known.float().mean()) for depth in depths.values()) / len(depths)
        stage.result = f"{known:.0%} of {len(depths)} photos known, {len(found)} points to start from"
    for message in left_out[:_NAMED]:
        console.warn(message)
    points = Points(torch.cat([scene.points.xyz, found.xyz]), torch.cat([scene.points.rgb, found.rgb]))
    return replace(scene, points=points, depths=depths)
