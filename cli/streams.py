"""Standard streams that are closed, or whose reader left: nobody listens, and the work goes on."""

from __future__ import annotations

import os
import sys

__all__ = ["fill_closed", "tell"]


def fill_closed() -> None:
    """Put the null device where a stream is closed: otherwise the next file opened would take its number."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - as long as the program


def tell(text: str) -> None:
    """A line on stderr. Whoever left reading it misses no more than that."""
    try:
        print(text, file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
