"""How long to train and at which resolutions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from recon.errors import InputError

__all__ = ["TrainConfig"]

_DEFAULT_STEPS = 7000


@dataclass(frozen=True)
class TrainConfig:
    """Length and pace of training. All schedules stretch or shrink with it."""

    steps: int | None = None
    """Training steps; 7000 when no budget is given either. With a seed, a run of so many steps repeats bit for bit."""
    budget: float | None = None
    """Seconds after which training ends, whatever was reached; schedules follow the clock."""
    evaluate_at: tuple[int, ...] = ()
    """Steps after which the held-out photos are scored."""
    first_resolution: float = 0.25
    """Size of the photos in the first steps, as a share of the working resolution."""
    full_resolution_at: float = 0.4
    """Share of training after which photos have their full size; it doubles step by step until then."""
    steps_each: int = 1500
    """Most steps at any size smaller than the full one."""
    seed: int = 0
    """Order of the photos."""

    def __post_init__(self) -> None:
        if self.steps is not None and self.steps < 1:
            raise InputError(f"{self.steps} training steps are none.", advice="Give at least 1: --steps 7000.")
        if self.budget is not None and not 0 < self.budget < math.inf:
            raise InputError(f"{self.budget} s are no time to train.", advice="Give a --budget such as 180s.")

    @property
    def limit(self) -> int | None:
        """Steps after which training ends; None when only the clock ends it."""
        if self.steps is None and self.budget is None:
            return _DEFAULT_STEPS
        return self.steps
