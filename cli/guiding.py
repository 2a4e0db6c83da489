"""Depth for a training: from --depth to a scene with denser points and depth maps."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal, Protocol, TypeGuard, runtime_checkable

import torch

from recon.cli.console import Console
from recon.errors import InputError
from recon.io.rgbd import is_recording
from recon.models import ModelConfig
from recon.priors.backdrop import backdrop
from recon.priors.depth import DepthName, depth_prior, require_source
from recon.priors.depth.kept_maps import kept_maps
from recon.priors.depth.known import known_depths
from recon.priors.seeding import points_of_depths
from recon.types import DepthMap, Points, Reconstruction, Scene

__all__ = ["ToGuide", "guided", "require_depth", "require_guidable"]

_NAMED = 8
"""At most so many photos without depth are listed."""


@runtime_checkable
class ToGuide(Protocol):
    """Options of a training that may be guided."""

    @property
    def images(self) -> Path | None: ...
    @property
    def depth(self) -> DepthName | Literal["none"] | None: ...
    @property
    def depth_from(self) -> Path | None: ...
    @property
    def device(self) -> str: ...
    @property
    def model(self) -> ModelConfig: ...
    @property
    def seed(self) -> int: ...


def require_guidable(model: ModelConfig) -> None:
    """Raise `InputError` unless the model learns from depth."""
    if model.why_no_depth is not None:
        raise model.why_no_depth


def require_depth(options: ToGuide) -> None:
    """Raise `InputError` where what --depth needs is missing, as far as that is known without poses."""
    if options.depth not in (None, "none"):
        require_source(options.depth, options.depth_from)


def guided(
    scene: Scene, reconstruction: Reconstruction, options: ToGuide, console: Console, *, keep: Path | None = None
) -> Scene:
    """The scene with what --depth says of its training photos; itself without --depth.

    What an RGB-D camera measured is used unless --depth says otherwise. Stereo is looked up in the folder `keep`, and
    left there.
    """
    recorded = None if options.images is None or not is_recording(options.images) else options.images
    by_itself: DepthName | Literal["none"] = "sensor" if recorded and options.model.why_no_depth is None else "none"
    name = by_itself if options.depth is None else options.depth
    if name == "none":
        return scene
    source = recorded if name == "sensor" and options.depth_from is None else options.depth_from
    prior = depth_prior(name, reconstruction, source=source, device=options.device)
    if name != "stereo" and len(reconstruction.points) == 0:
        raise InputError(
            f"--depth {name} has no scale, and there are no sparse points to take one from.",
            advice="Use --depth stereo, or leave out --depth.",
        )
    left_out: list[str] = []
    with console.stage("depth") as stage:

        def tell() -> dict[int, DepthMap]:
            told = zip(scene.train, known_depths(prior, scene, scene.train, stage.progress), strict=True)
            found = {view: depth for view, depth in told if _is_known(depth, left_out)}
            if len(found) == 0:
                raise InputError(f"No photo has depth: {left_out[0]}", advice="Train with --depth none.")
            return found

        if keep is not None and name == "stereo":  # files are read as fast again, and networks keep what they said
            depths = kept_maps(keep, prior, scene, reconstruction, tell)
        else:
            depths = tell()
        known = sum(float(depth.known.float().mean()) for depth in depths.values()) / len(depths)
        stage.result = f"{known:.0%} of {len(depths)} photos known"
        scene = replace(scene, depths=depths)
        if options.model.first_points.on_depth > 0:
            scene, count = _started(scene, options)
            stage.result += f", {count} points to start from"
    for message in left_out[:_NAMED]:
        console.warn(message)
    return scene


def _started(scene: Scene, options: ToGuide) -> tuple[Scene, int]:
    """The scene with points on its depth, and a backdrop behind them; how many are on the depth."""
    first = options.model.first_points
    on = points_of_depths(scene.depths, scene.cameras, scene.images, count=first.on_depth, seed=options.seed)
    around = 0 if scene.transparent else first.around  # nothing is behind what was cut out
    behind = backdrop(on, scene.cameras[list(scene.train)], count=around, seed=options.seed)
    parts = (scene.points, on, behind)
    points = Points(torch.cat([part.xyz for part in parts]), torch.cat([part.rgb for part in parts]))
    return replace(scene, points=points), len(on)


def _is_known(depth: DepthMap | InputError, left_out: list[str]) -> TypeGuard[DepthMap]:
    if isinstance(depth, InputError):
        left_out.append(depth.message)
        return False
    return True
