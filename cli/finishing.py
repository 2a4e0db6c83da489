"""After the last step: measure, export, report."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.cli.exported import remember
from recon.cli.preparing import Prepared
from recon.evaluation import evaluate, psnr_of_flat_colour
from recon.export.splats import export_splats
from recon.export.work import Work
from recon.io.run import Run
from recon.likeness import photo_over_background
from recon.report import Comparison, Outcome, write_report
from recon.training import TrainState
from recon.types import Cameras, HasGaussians, Metrics, Render, Renderer, Scene

__all__ = ["finish", "together"]

_COMPARED = 16
"""At most so many held-out photos are in the report: the worst ones."""
_SHOWN_SIDE = 400
"""Pixels of the longest side of a picture in the report."""
_FOG = 3.0
"""Decibels: renders that are no further above pictures of one flat colour show nothing yet."""
_REPORTING = 1.0
"""Seconds that the report takes."""


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
        scores, drawn, started = [], [], time.monotonic()
        remembering = _Remembering(model)
        for done, index in enumerate(scene.test):
            if done > 0 and not _time_for_more(deadline, done, time.monotonic() - started):
                break
            stage.progress(done / len(scene.test), scene.names[index])
            scores.append(evaluate(remembering, scene, [index]))
            drawn.append(_small(remembering.render_over(_background(scene))))
            between()
        metrics = together(scores)
        late = "" if len(scores) == len(scene.test) else f" of {len(scene.test)}, for which the budget was enough"
        held_out = f"PSNR {metrics.psnr:.2f} dB, SSIM {metrics.ssim:.3f} on {len(scores)} held-out photos{late}"
        stage.result = held_out if scores else "no photo was held out"
    _warn_of_fog(metrics, psnr_of_flat_colour(scene, scene.test[: len(scores)]), console)
    if isinstance(model, HasGaussians):
        with console.stage("export") as stage:
            path = run.exports / "splat.ply"
            work = Work(model, scene, _background(scene), has_photos=True)
            written = export_splats(work, path, stage.progress)
            remember(run, path, "splats", written, console)
            stage.result = f"{path}: {written.says}"
    between()
    with console.stage("report") as stage:
        outcome = Outcome(
            name=run.folder.resolve().name,
            photos=prepared.photos,
            reconstruction=prepared.reconstruction,
            trained=len(scene.train),
            metrics=metrics,
            comparisons=_comparisons(prepared.scene, metrics, drawn),
            steps=state.step,
            size=state.model.size(),
            stages=tuple((stage.name, stage.seconds, stage.peak_memory) for stage in console.stages),
            records=tuple(run.read_metrics()),
        )
        write_report(outcome, run.report)
        stage.result = str(run.report)
    return metrics


class _Remembering:
    """A renderer that remembers the last image, so that what was measured need not be drawn again to be shown."""

    def __init__(self, model: Renderer) -> None:
        self._model = model
        self._last: Render | None = None

    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        self._last = self._model.render(cameras, pixels)
        return self._last

    def render_over(self, background: Float[Tensor, "3"]) -> Float[Tensor, "h w 3"]:
        assert self._last is not None
        return self._last.over(background.to(self._last.rgb.device).expand_as(self._last.rgb)).clamp(0, 1).cpu()


def _warn_of_fog(metrics: Metrics, flat: float, console: Console) -> None:
    """A result that is none is said, and what helps."""
    if metrics.psnr < flat + _FOG:
        console.warn(
            f"The held-out renders are hardly better than one flat colour would be ({metrics.psnr:.1f} against "
            f"{flat:.1f} dB). Give training more time (--budget, --steps), or take more photos of what they show."
        )


def _time_for_more(deadline: Deadline, done: int, seconds: float) -> bool:
    """Whether one more photo can be measured: `done` of them took `seconds`."""
    return deadline.left is None or deadline.left > seconds / done + _REPORTING


def _comparisons(scene: Scene, metrics: Metrics, drawn: list[UInt8[Tensor, "h w 3"]]) -> tuple[Comparison, ...]:
    """The worst held-out views first, beside what was `drawn` of each."""
    measured = sorted(
        zip(metrics.views, scene.test, drawn, strict=False),
        key=lambda of: (not math.isnan(of[0].psnr), of[0].psnr),
    )
    return tuple(
        Comparison(
            view.name,
            view.psnr,
            view.ssim,
            _small(photo_over_background(scene.images[index], _background(scene))),
            render,
        )
        for view, index, render in measured[:_COMPARED]
    )


def _small(rgb: Float[Tensor, "h w 3"]) -> UInt8[Tensor, "h2 w2 3"]:
    """At the size at which it is shown."""
    height, width = rgb.shape[:2]
    scale = min(_SHOWN_SIDE / max(height, width), 1.0)
    size = (max(round(height * scale), 1), max(round(width * scale), 1))
    shown = interpolate(rgb.permute(2, 0, 1)[None], size=size, mode="area")[0].permute(1, 2, 0)
    return (shown * 255).round().to(torch.uint8).contiguous()


def _background(scene: Scene) -> Float[Tensor, "3"]:
    return torch.full((3,), 1.0 if scene.transparent else 0.0)


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
