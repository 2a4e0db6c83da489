"""`recon eval`: scores on the held-out photos."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.device import choose_device
from recon.cli.finishing import together
from recon.cli.opening import TrainedRun, open_run, posed_again, scene_with_photos
from recon.errors import RunError
from recon.evaluation import evaluate
from recon.types import Metrics

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """How good a run is, on the photos it never saw.

    PSNR in dB and SSIM (0 to 1) of each held-out photo against the render of its view, and their means.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where the photos are now, if they were moved."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where the masks are now, if they were moved elsewhere than inside or beside the photos."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders: auto takes an NVIDIA GPU where there is one that works."""
    mesh: Annotated[Path | None, tyro.conf.arg(metavar="GT")] = None
    """The true surface, a mesh or a cloud in the photos' frame: measures the run's mesh against it, too."""
    visible: Annotated[Path | None, tyro.conf.arg(metavar="POINTS")] = None
    """Points of the true surface that could be seen: only these have to be found."""
    threshold: float | None = None
    """Distance from the true surface that counts as right; without it 1 % of its longest side."""
    align: bool = False
    """First move, turn and scale the mesh onto the true surface."""


def run(options: Options, console: Console) -> dict[str, Any]:
    opened = open_run(options.folder, choose_device(options.device).name)
    reconstruction = posed_again(opened.run, options.images, options.masks)
    scene = scene_with_photos(opened.run, opened.config, reconstruction)
    if len(scene.test) == 0:
        raise RunError(
            f"{options.folder} held out no photo to measure with.", advice="Train with --hold-out 8 to measure."
        )
    with console.stage("evaluate") as stage:
        scores = []
        for done, index in enumerate(scene.test):
            stage.progress(done / len(scene.test), scene.names[index])
            scores.append(evaluate(opened.model, scene, [index]))
        metrics = together(scores)
        stage.result = f"{1 / max(metrics.seconds_per_frame, 1e-9):.0f} frames/s"
    if not options.json:
        _print_table(metrics)
    shape = {} if options.mesh is None else {"mesh": _mesh_scores(opened, options, console)}
    return {
        "run": str(options.folder),
        "step": opened.step,
        "psnr": _finite(metrics.psnr),
        "ssim": _finite(metrics.ssim),
        "views": [
            {"name": view.name, "psnr": _finite(view.psnr), "ssim": _finite(view.ssim)} for view in metrics.views
        ],
        **shape,
    }


def _mesh_scores(opened: TrainedRun, options: Options, console: Console) -> dict[str, float]:
    """Of the mesh that `recon export` would write, without its texture."""
    from recon.cli.mesh_eval import print_scores, score
    from recon.cli.surfacing import scene_to_mesh
    from recon.mesh.comparing import Shape
    from recon.mesh.config import MeshConfig
    from recon.mesh.files import read_shape
    from recon.mesh.making import make_mesh

    assert options.mesh is not None
    truth = read_shape(options.mesh)
    visible = None if options.visible is None else read_shape(options.visible)
    config = MeshConfig()
    scene = scene_to_mesh(opened, config, console)
    with console.stage("mesh") as stage:
        mesh = make_mesh(opened.model, scene, config, progress=stage.progress)
        mesh = mesh.moved(opened.scene.input_from_world.double().numpy())
        stage.result = f"{len(mesh)} faces"
    found = Shape(mesh.vertices, mesh.faces)
    scores = score(found, truth, visible=visible, threshold=options.threshold, align=options.align, console=console)
    if not options.json:
        print_scores(scores)
    return asdict(scores)


def _print_table(metrics: Metrics) -> None:
    width = max(len("mean"), *(len(view.name) for view in metrics.views))
    print(f"{'photo':<{width}}  {'PSNR dB':>8}  {'SSIM':>6}")
    for view in metrics.views:
        print(f"{view.name:<{width}}  {view.psnr:>8.2f}  {view.ssim:>6.3f}")
    print(f"{'mean':<{width}}  {metrics.psnr:>8.2f}  {metrics.ssim:>6.3f}")


def _finite(value: float) -> float | None:
    """JSON has no NaN: a photo masked all over has no score."""
    return None if math.isnan(value) else value
