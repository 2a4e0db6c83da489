"""The scene that a mesh is made from: its photos asked for depth once more."""

from __future__ import annotations

from dataclasses import replace

from recon.cli.console import Console
from recon.cli.opening import TrainedRun, has_all_photos, scene_to_look_at
from recon.errors import InputError
from recon.mesh.config import MeshConfig
from recon.priors.depth.known import known_depths
from recon.priors.depth.stereo import StereoDepth
from recon.types import DepthMap, Scene

__all__ = ["scene_to_mesh"]


def scene_to_mesh(opened: TrainedRun, config: MeshConfig, console: Console) -> Scene:
    """The scene with depth that its photos agree on, as far as they are there and can be compared."""
    scene = scene_to_look_at(opened)
    if config.depth == "model" or config.method == "density" or not has_all_photos(opened):
        return scene
    with console.stage("depth") as stage:
        try:
            found = known_depths(StereoDepth(device=opened.device), scene, scene.train, stage.progress)
            told = dict(zip(scene.train, found, strict=True))
        except InputError as error:
            stage.result = f"the model's alone: {error.message}"
            return scene
        depths = {view: depth for view, depth in told.items() if isinstance(depth, DepthMap)}
        known = sum(float(depth.known.float().mean()) for depth in depths.values()) / max(len(told), 1)
        stage.result = f"photos agree on {known:.0%} of their pixels"
    return replace(scene, depths=depths)
