"""Seconds that count against a budget."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "PausableClock"]

Clock = Callable[[], float]
"""Seconds since some moment, never going back; `time.monotonic` is one."""


class PausableClock:
    """A clock that stands still while paused: `clock()` are the seconds since it was made, less the pauses."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._start = clock()
        self._paused_at: float | None = None

    def __call__(self) -> float:
        now = self._clock() if self._paused_at is None else self._paused_at
        return now - self._start

    @property
    def paused(self) -> bool:
        return self._paused_at is not None

    def pause(self) -> None:
        if self._paused_at is None:
            self._paused_at = self._clock()

    def resume(self) -> None:
        if self._paused_at is not None:
            self._start += self._clock() - self._paused_at
            self._paused_at = None
