"""`recon render`: pictures of the photos' own views, or an orbit as a video."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro
from jaxtyping import Float
from torch import Tensor

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.opening import TrainedRun, open_run
from recon.errors import InputError
from recon.export.orbit import orbit_cameras
from recon.export.video import write_video
from recon.export.views import write_views

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Pictures from a run: its photos' views, or an orbit as a video."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote. The photos are not needed."""
    views: Literal["test", "train", "orbit"]
    """test: the held-out photos' views as PNG; train: the others; orbit: orbit.mp4 around what the photos look at."""
    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the pictures, named after their photos, or for orbit.mp4."""
    seconds: float = 8.0
    """Length of the orbit."""
    fps: int = 30
    """Frames per second of the orbit. Rendering takes about a second for 30 frames of 480x270 on two cores."""
    background: Literal["auto", "black", "white"] = "auto"
    """Behind the scene. auto: white where the photos have transparency, black elsewhere."""


def run(options: Options, console: Console) -> dict[str, Any]:
    if options.fps < 1 or options.seconds <= 0:
        raise InputError("An orbit needs at least one frame.", advice="Give --seconds and --fps above 0.")
    opened = open_run(options.folder)
    background = _background(options, opened)
    if options.views == "orbit":
        files = [_orbit(options, opened, background, console)]
    else:
        files = _photos(options, opened, background, console)
    return {"run": str(options.folder), "views": options.views, "files": [str(file) for file in files]}


def _photos(options: Options, opened: TrainedRun, background: Float[Tensor, "3"], console: Console) -> list[Path]:
    scene = opened.scene
    indices = scene.test if options.views == "test" else scene.train
    if len(indices) == 0:
        raise InputError(f"{options.folder} has no {options.views} photos.", advice="Try --views train or orbit.")
    with console.stage("render") as stage:
        files = write_views(
            opened.model, scene, indices, options.output, background=background, progress=stage.progress
        )
        stage.result = f"{len(files)} pictures in {options.output}"
    return files


def _orbit(options: Options, opened: TrainedRun, background: Float[Tensor, "3"], console: Console) -> Path:
    path = options.output / "orbit.mp4"
    cameras = orbit_cameras(opened.scene, max(round(options.seconds * options.fps), 1))
    with console.stage("render") as stage:
        write_video(opened.model, cameras, path, fps=options.fps, background=background, progress=stage.progress)
        stage.result = f"{path}: {len(cameras)} frames, {path.stat().st_size / 1e6:.1f} MB"
    return path


def _background(options: Options, opened: TrainedRun) -> Float[Tensor, "3"]:
    match options.background:
        case "auto":
            return opened.background
        case "black":
            return torch.zeros(3)
        case "white":
            return torch.ones(3)
