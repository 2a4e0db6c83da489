"""Training that outlives a full memory: it saves, keeps fewer Gaussians, says so, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

import torch

from recon.cli.console import Console
from recon.cli.memory import is_memory_full, whose_memory
from recon.cli.preparing import Prepared
from recon.errors import RunError
from recon.io.run import Run
from recon.training import Clock, TrainState, train
from recon.types import StepReport

__all__ = ["MakesDo", "train_within_memory"]

_FEWEST = 100
"""Gaussians that must fit, or training makes no sense."""


@runtime_checkable
class MakesDo(Protocol):
    """A model that can go on with less memory."""

    def make_do(self) -> int:
        """Give memory back and promise not to grow beyond what is left: how many parts that are."""
        ...


def train_within_memory(
    run: Run,
    state: TrainState,
    prepared: Prepared,
    *,
    clock: Clock,
    budget: Callable[[], float | None],
    console: Console,
) -> Iterator[StepReport]:
    """`train`, again from the same step with a smaller model whenever the memory of what computes is full."""
    while True:
        try:
            yield from train(state, prepared.scene, prepared.config, clock=clock, budget=budget)
            return
        except (MemoryError, RuntimeError) as error:
            if not is_memory_full(error):
                raise
            _make_do(run, state, console, error)


def _make_do(run: Run, state: TrainState, console: Console, error: Exception) -> None:
    before, fits = state.model.size(), 0
    try:
        if isinstance(state.model, MakesDo):
            fits = state.model.make_do()
    except (MemoryError, RuntimeError) as again:
        if not is_memory_full(again):
            raise
    torch.cuda.empty_cache()  # nothing where CUDA is not in use
    run.save_checkpoint(state.state_dict())
    if fits < _FEWEST:
        raise RunError(
            f"{whose_memory(error)} is full with {before}. Saved at step {state.step}.",
            advice=f"Close other programs that use it, then recon train --resume {run.folder}; "
            "or train anew with a smaller --image-size.",
        ) from error
    console.say(f"{whose_memory(error)} is full with {before}: {fits:,} fit. Saved; going on with no more than those.")
