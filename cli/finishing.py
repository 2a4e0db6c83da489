"""After the last step: measure, export, report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch.nn.functional import interpolate

from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.cli.exported import remember
from recon.cli.preparing import Prepared
from recon.evaluation import evaluate
from recon.export.splats import export_splats
from recon.export.views import render_picture
from recon.export.work import Work
from recon.io.run import Run
from recon.likeness import photo_over_background
from recon.report import Comparison, Outcome, write_report
from recon.training import TrainState
from recon.types import HasGaussians, Metrics, Renderer, Scene

__all__ = ["finish", "together"]

_COMPARED = 16
"""At most so many held-out photos are in the report: the worst ones."""
_SHOWN_SIDE = 400
"""Pixels of the longest side of a picture in the report."""


def finish(
    run: Run,
    prepared: Prepared,
    state: TrainState,
    console: Console,
    *,
    deadline: Deadline,
    between: Callable[[], None] = lambda: None,
) -> Metrics:
    """Scores of the held-out photos; report.html lies in the run, and splat.ply of a model that has splats.

    Of the photos, as many are measured as there is time for before the `deadline`, one at least. `between` is called
    between any two parts of the work.
    """
    scene, model = prepared.scene, state.model
    with console.stage("evaluate") as stage:
        scores, started = [], time.monotonic()
        for done, index in enumerate(scene.test):
            if done > 0 and not _time_for_more(deadline, scene, done, time.monotonic() - started):
                break
            stage.progress(done / len(scene.test), scene.names[index])
            scores.append(evaluate(model, scene, [index]))
            between()
        metrics = together(scores)
        late = "" if len(scores) == len(scene.test) else f" of {len(scene.test)}, for which the budget was enough"
        held_out = f"PSNR {metrics.psnr:.2f} dB, SSIM {metrics.ssim:.3f} on {len(scores)} held-out photos{late}"
        stage.result = held_out if scores else "no photo was held out"
    if isinstance(model, HasGaussians):
        background = torch.full((3,), 1.0 if scene.transparent else 0.0)
        with console.stage("export") as stage:
            path = run.exports / "splat.ply"
            work = Work(model, scene, background, has_photos=True)
            written = export_splats(work, path, stage.progress)
            remember(run, path, "splats", written)
            stage.result = f"{path}: {written.says}"
    between()
    with console.stage("report") as stage:
        outcome = Outcome(
            name=run.folder.resolve().name,
            photos=prepared.photos,
            reconstruction=prepared.reconstruction,
            trained=len(scene.train),
            metrics=metrics,
            comparisons=_comparisons(model, prepared, metrics),
            steps=state.step,
            size=state.model.size(),
            stages=tuple((stage.name, stage.seconds, stage.peak_memory) for stage in console.stages),
            records=tuple(run.read_metrics()),
        )
        write_report(outcome, run.report)
        stage.result = str(run.report)
    return metrics


def _time_for_more(deadline: Deadline, scene: Scene, done: int, seconds: float) -> bool:
    """Whether one more photo can be measured, and the report's pictures drawn: `done` of them took `seconds`."""
    if deadline.left is None:
        return True
    longest = float(torch.maximum(scene.cameras.width, scene.cameras.height)[list(scene.test)].float().mean())
    drawn_again = min(done + 1, _COMPARED) * min(_SHOWN_SIDE / longest, 1.0) ** 2
    return deadline.left > seconds / done * (1 + drawn_again)


def _comparisons(model: Renderer, prepared: Prepared, metrics: Metrics) -> tuple[Comparison, ...]:
    """The worst held-out views first, rendered and shrunk to the size they are shown at."""
    scene = prepared.scene
    background = torch.full((3,), 1.0 if scene.transparent else 0.0)
    worst_first = sorted(metrics.views, key=lambda view: (not math.isnan(view.psnr), view.psnr))
    comparisons = []
    for view in worst_first[:_COMPARED]:
        index = scene.names.index(view.name)
        camera = scene.cameras[index]
        render = render_picture(
            model, camera.resized(min(_SHOWN_SIDE, int(max(camera.width, camera.height)))), background
        )
        photo = photo_over_background(scene.images[index], background).permute(2, 0, 1)[None]
        small = interpolate(photo, size=render.shape[:2], mode="area")[0].permute(1, 2, 0)
        shown = (small * 255).round().to(torch.uint8)
        comparisons.append(Comparison(view.name, view.psnr, view.ssim, shown.contiguous(), render))
    return tuple(comparisons)


def together(scores: list[Metrics]) -> Metrics:
    """Means over photos of scores taken photo by photo."""
    if len(scores) == 0:
        return Metrics(math.nan, math.nan, (), math.nan)
    return Metrics(
        psnr=sum(score.psnr for score in scores) / len(scores),
        ssim=sum(score.ssim for score in scores) / len(scores),
        views=tuple(view for score in scores for view in score.views),
        seconds_per_frame=sum(score.seconds_per_frame for score in scores) / len(scores),
    )
