"""`recon render`: pictures of the photos' own views, or a film."""

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
from recon.cli.device import choose_device
from recon.cli.opening import TrainedRun, open_run
from recon.errors import InputError
from recon.export.film import Route, film_cameras
from recon.export.video import write_video
from recon.export.views import write_views
from recon.io.keyframes import read_keyframes

__all__ = ["Options", "run"]

_LONGEST = 3600
"""Seconds of a film."""


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Pictures from a run: its photos' views as PNG, or a film as MP4."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote. The photos are not needed."""
    views: Annotated[str, tyro.conf.arg(metavar="{test,train,orbit,path,FILE}")]
    """test: the held-out photos' views as PNG; train: the others. Films: orbit goes around what the photos look at,
    path along where they were taken, a FILE through the views that were saved in the viewer."""
    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the pictures, named after their photos, or for orbit.mp4, path.mp4, FILE.mp4; or the film's name."""
    seconds: float | None = None
    """Length of the film. Without it 8 for an orbit, 8 to 30 along the photos, 2.5 from view to view of a FILE."""
    fps: int = 30
    """Frames per second of a film. Rendering takes about a second for 30 frames of 480x270 on two cores."""
    background: Literal["auto", "black", "white"] = "auto"
    """Behind the scene. auto: white where the photos have transparency, black elsewhere."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders: auto takes an NVIDIA GPU where there is one that works."""


def run(options: Options, console: Console) -> dict[str, Any]:
    if options.fps < 1:
        raise InputError(f"--fps {options.fps} makes no film.", advice="Give 1 or more.")
    if options.seconds is not None and not 0 < options.seconds <= _LONGEST:
        raise InputError(
            f"--seconds {options.seconds:g} makes no film.", advice=f"Give more than 0, at most {_LONGEST}."
        )
    route = _route(options.views)
    opened = open_run(options.folder, choose_device(options.device).name)
    background = _background(options, opened)
    if route is None:
        files = _photos(options, opened, background, console)
    else:
        files = [_film(options, route, opened, background, console)]
    return {"run": str(options.folder), "views": options.views, "files": [str(file) for file in files]}


def _route(views: str) -> Route | None:
    """Of a film; None for pictures of photos' views."""
    if views in ("test", "train"):
        return None
    if views in ("orbit", "path"):
        return views
    if not views.lower().endswith(".json"):
        raise InputError(
            f"--views {views} is neither test, train, orbit, path nor a .json file.", advice="Give one of these."
        )
    return read_keyframes(Path(views))


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


def _film(options: Options, route: Route, opened: TrainedRun, background: Float[Tensor, "3"], console: Console) -> Path:
    named = options.output.suffix.lower() == ".mp4"
    path = options.output if named else options.output / f"{Path(options.views).stem}.mp4"
    cameras = film_cameras(opened.scene, route, fps=options.fps, seconds=options.seconds)
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
