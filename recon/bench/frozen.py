"""A trained model as it lies on disk, seen by the cameras it was trained with."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from recon.bench.inputs import Input, count_name, size_name
from recon.errors import InputError, MissingDependencyError
from recon.io.ply import read_ply
from recon.io.scene_file import read_scene
from recon.types import Gaussians, Scene

__all__ = ["DEMO", "frozen"]

DEMO = Path("runs/demo")
"""Measured without being asked for, where it is."""
_VIEWS = 8


def frozen(path: Path) -> Input:
    """The splats of a run, or of a .ply below one, in its world, before eight of its cameras, evenly chosen."""
    run, ply = _run_and_ply(path)
    try:
        scene = read_scene(run / "scene")
    except ImportError as error:
        raise MissingDependencyError(
            f"The cameras of {run} cannot be read: {error}.", advice="pip install safetensors"
        ) from error
    gaussians = _into_world(read_ply(ply), scene)
    count = min(_VIEWS, len(scene))
    chosen = torch.linspace(0, len(scene) - 1, count).round().long().tolist()
    cameras = scene.cameras[chosen]
    size = size_name(int(cameras.width[0]), int(cameras.height[0]))
    return Input(f"{run.name} {count_name(len(gaussians))} {size}", gaussians, cameras)


def _run_and_ply(path: Path) -> tuple[Path, Path]:
    ply = path / "exports" / "splat.ply" if path.is_dir() else path
    if not ply.is_file():
        raise InputError(f"{ply} does not exist.", advice="Pass a run that is done, or one of its .ply files.")
    for folder in ply.absolute().parents:
        if (folder / "scene" / "scene.json").is_file():
            return folder, ply
    raise InputError(
        f"{ply} lies in no run, so it has no cameras to be seen by.", advice="Pass a run's folder, as runs/scene."
    )


def _into_world(g: Gaussians, scene: Scene) -> Gaussians:
    """From the frame of the file to the one the cameras are in."""
    scale, shift = float(scene.input_from_world[0, 0]), scene.input_from_world[:3, 3]
    return replace(g, means=(g.means - shift) / scale, log_scales=g.log_scales - math.log(scale))
