"""How far training is, by steps or by the clock, and what size photos have then."""

from __future__ import annotations

import math

from recon.training.config import TrainConfig

__all__ = ["progress_of", "resolution_at"]


def progress_of(config: TrainConfig, *, step: int, elapsed: float) -> float:
    """Share of training that is over, 0 to 1: by steps or by seconds, whichever is farther.

    Without a budget the clock has no say, so that the run repeats.
    """
    by_steps = 0.0 if config.limit is None else step / max(config.limit, 1)
    by_clock = 0.0 if config.budget is None else elapsed / max(config.budget, 1e-9)
    return min(max(by_steps, by_clock), 1.0)


def resolution_at(config: TrainConfig, progress: float, *, step: int) -> float:
    """Scale of the photos: `first_resolution`, doubled at even intervals, 1 from `full_resolution_at` on.

    No scale lasts longer than `steps_each` steps: small photos take little time, so a budget holds tens of thousands of
    steps on them, and these teach the model their pixels by heart.
    """
    if progress >= config.full_resolution_at or config.first_resolution >= 1:
        return 1.0
    doublings = max(math.ceil(math.log2(1 / config.first_resolution)), 1)
    done = max(int(progress / config.full_resolution_at * doublings), step // config.steps_each)
    return min(config.first_resolution * 2**done, 1.0)
