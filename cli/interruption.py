"""Ctrl-C and termination: at once where nothing is lost, between two steps while training."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["Interruption", "interrupt_on_termination"]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """While entered, the first signal only sets `asked`; the second interrupts at once."""

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Interruption:
        for number in _SIGNALS:
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType] - what signal.signal gave back

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


def interrupt_on_termination() -> None:
    """A polite `kill` counts as Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
