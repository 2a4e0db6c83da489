"""The trainer: a generator that takes a step whenever somebody asks for one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from recon.errors import RunError
from recon.training.clock import Clock
from recon.training.config import TrainConfig
from recon.training.schedule import progress_of, resolution_at
from recon.training.state import TrainState
from recon.types import Batch, Scene, StepReport, TakesPixels

__all__ = ["Paced", "train"]

_MOST_SKIPPED = 10
"""Losses in a row that may be infinite or not a number."""
_LOOK_EVERY = 16
"""Steps between two looks at losses that are on a GPU: each look waits for all that was asked of it."""


@runtime_checkable
class Paced(Protocol):
    """A model whose schedules follow the trainer's progress, 0 to 1."""

    def pace(self, progress: float) -> None: ...


def train(
    state: TrainState,
    scene: Scene,
    config: TrainConfig,
    *,
    clock: Clock = time.monotonic,
    budget: Callable[[], float | None] | None = None,
) -> Iterator[StepReport]:
    """Optimise `state.model` in place, yielding after every step. Pause by not asking; stop by leaving the loop.

    Ends after `config.limit` steps or when another step would not fit into `config.budget` seconds of `clock`. Time
    spent by whoever asks counts, unless their clock stands still meanwhile. Where the time that training has becomes
    clear only while it trains, `budget` is asked for it before each step.
    """
    if len(scene.train) == 0:
        raise RunError("There is no photo to train on.", advice="Hold out fewer photos.")
    before = state.elapsed - clock()
    longest_recent, health = 0.0, _Health()
    while True:
        if budget is not None:
            config = replace(config, budget=budget())
        if _over(state, config, longest_recent):
            return
        progress = progress_of(config, step=state.step, elapsed=state.elapsed)
        if isinstance(state.model, Paced):
            state.model.pace(progress)
        scale = resolution_at(config, progress, step=state.step)
        losses = state.model.train_step(_draw(state, scale), state.step)
        health.look_at(losses, state)
        state.model.after_step(state.step)
        state.step += 1
        started, state.elapsed = state.elapsed, before + clock()
        longest_recent = max(0.9 * longest_recent, state.elapsed - started)
        yield StepReport(state.step, losses, state.model.counts() | {"skipped": state.skipped}, size=state.model.size())
        state.elapsed = before + clock()


def _draw(state: TrainState, scale: float) -> Batch:
    if isinstance(state.model, TakesPixels):
        return state.sampler.draw(scale, state.model.pixels_per_step)
    return state.sampler.draw(scale)


def _over(state: TrainState, config: TrainConfig, next_step: float) -> bool:
    """`next_step`: seconds the next step may take."""
    if config.limit is not None and state.step >= config.limit:
        return True
    return config.budget is not None and state.elapsed + next_step > config.budget


class _Health:
    """Counts losses that are not finite, and stops a training that gives no others any more."""

    def __init__(self) -> None:
        self._unread: list[Tensor] = []
        self._in_a_row = 0

    def look_at(self, losses: dict[str, Tensor], state: TrainState) -> None:
        """Count the steps known to be skipped: at once on the CPU, every few steps on a GPU."""
        together = torch.stack([loss.detach() for loss in losses.values()])
        self._unread.append(torch.isfinite(together).all())
        if together.device.type != "cpu" and len(self._unread) < _LOOK_EVERY:
            return
        finite = torch.stack(self._unread).tolist()
        self._unread = []
        for each in finite:
            state.skipped += not each
            self._in_a_row = 0 if each else self._in_a_row + 1
            _stop_after_too_many(self._in_a_row, state.step)


def _stop_after_too_many(in_a_row: int, step: int) -> None:
    if in_a_row >= _MOST_SKIPPED:
        raise RunError(
            f"Training diverged: {in_a_row} steps in a row up to step {step} gave a loss that is not a number.",
            advice="Go on from the last checkpoint with --resume, or start again with another --seed.",
        )
