"""The training loop as the command sees it: asks for steps, and between two of them shows, logs and saves."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from recon.cli.afterwards import Afterwards
from recon.cli.console import Console, Stage
from recon.cli.duration import seconds_of
from recon.cli.interruption import Interruption
from recon.cli.making_do import train_within_memory
from recon.cli.memory import resident_bytes
from recon.cli.opening import load_state
from recon.cli.preparing import Prepared
from recon.cli.watching import serve
from recon.io.run import MetricsLog, Run
from recon.models import build_model
from recon.training import PausableClock, TrainConfig, TrainState
from recon.types import StepReport

if TYPE_CHECKING:
    from recon.cli.train_options import Options
    from recon.viewer import Viewer

__all__ = ["train_run"]

_LOG_EVERY = 10
"""Steps between two lines of metrics.jsonl."""


def train_run(
    run: Run, prepared: Prepared, options: Options, console: Console, viewer: Viewer | None = None
) -> TrainState:
    """Train to the end and save. Ctrl-C saves too, and then raises `KeyboardInterrupt`."""
    state = _state(run, prepared, options)
    if state.step > 0:
        console.say(f"Going on after step {state.step}.")
    with contextlib.ExitStack() as stack:
        stage = stack.enter_context(console.stage("train"))
        log = stack.enter_context(contextlib.closing(MetricsLog(run, after_step=state.step)))
        interruption = stack.enter_context(Interruption())
        clock = PausableClock()
        saved, report = time.monotonic(), None
        afterwards = Afterwards(prepared.scene, options.model.seconds_per_megapixel, prepared.config.budget)
        steps = train_within_memory(
            run, state, prepared, clock=clock, budget=lambda: afterwards.budget, console=console
        )
        for report in steps:
            if report.step % _LOG_EVERY == 0 or report.step == 1:
                _log(log, report, state)
            ahead = _ahead(state, replace(prepared.config, budget=afterwards.budget))
            afterwards.look(state.model, ahead.done)
            _show_progress(stage, report, state, ahead)
            if viewer is not None:
                viewer.update(report, steps=prepared.config.limit, done=ahead.done, seconds_left=ahead.seconds)
                serve(viewer, state.model, clock, console, lambda: interruption.asked)
            if interruption.asked or time.monotonic() - saved > seconds_of(options.save_every):
                run.save_checkpoint(state.state_dict())
                saved = time.monotonic()
            if interruption.asked:
                raise KeyboardInterrupt(f"Saved at step {state.step}. Go on with recon train --resume {run.folder}")
        if report is not None and report.step % _LOG_EVERY != 0:
            _log(log, report, state)
        run.save_checkpoint(state.state_dict())
        stage.result = f"{state.step} steps, {state.model.size()}"
    return state


def _state(run: Run, prepared: Prepared, options: Options) -> TrainState:
    """Where training starts: at the beginning, or where the run's checkpoint left it."""
    steps = prepared.config.limit or 1
    model = build_model(options.model, prepared.scene, steps=steps, seed=options.seed, device=options.device)
    state = TrainState.start(model, prepared.scene, seed=options.seed)
    if run.has_checkpoint:
        load_state(run, state)
    return state


def _log(log: MetricsLog, report: StepReport, state: TrainState) -> None:
    losses = {name: float(value) for name, value in report.losses.items()}
    seconds = {"seconds": round(state.elapsed, 3), "memory": resident_bytes()}
    log.write({"step": report.step, "losses": losses, **report.counts, **seconds})


@dataclass(frozen=True)
class _Ahead:
    """How far training is, 0 to 1, and what is left of it."""

    done: float
    seconds: float


def _ahead(state: TrainState, config: TrainConfig) -> _Ahead:
    by_steps = 0.0 if config.limit is None else state.step / config.limit
    if config.budget is not None and state.elapsed >= by_steps * config.budget:
        return _Ahead(state.elapsed / max(config.budget, 1e-9), config.budget - state.elapsed)
    return _Ahead(by_steps, state.elapsed * (1 - by_steps) / max(by_steps, 1e-9))


def _show_progress(stage: Stage, report: StepReport, state: TrainState, ahead: _Ahead) -> None:
    if report.step % _LOG_EVERY != 0:
        return
    pace = report.step / max(state.elapsed, 1e-9)
    stage.progress(ahead.done, f"step {report.step}, {report.size}, {pace:.0f} steps/s", left=ahead.seconds)
