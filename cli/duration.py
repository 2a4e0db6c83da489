"""Lengths of time as people type them, and what is left of one."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from recon.errors import InputError, RunError

__all__ = ["Deadline", "seconds_of"]

_UNITS = {"": 1, "s": 1, "m": 60, "min": 60, "h": 3600}


def seconds_of(text: str, option: str = "--budget") -> float:
    """Seconds of `90`, `180s`, `5m`, `1.5h`, `1h30m`, given as `option`."""
    parts = re.findall(r"(\d+(?:\.\d+)?)\s*(min|[smh]?)", text.strip().lower())
    whole = "".join(f"{number}{unit}" for number, unit in parts)
    mixed = len(parts) > 1 and any(unit == "" for _, unit in parts)
    if len(parts) == 0 or mixed or whole != re.sub(r"\s", "", text.lower()):
        raise InputError(f"{option} {text}: that is no length of time.", advice="Write it like 180s, 5m, 1h or 1h30m.")
    seconds = sum(float(number) * _UNITS[unit] for number, unit in parts)
    if seconds <= 0:
        raise InputError(f"{option} {text} leaves no time.", advice="Give at least a few seconds, such as 60s.")
    return seconds


@dataclass(frozen=True)
class Deadline:
    """The moment a command promised to be done by."""

    started: float
    """As `time.monotonic` counts."""
    budget: float | None
    """Seconds; None for as long as it takes."""

    @property
    def left(self) -> float | None:
        return None if self.budget is None else self.started + self.budget - time.monotonic()

    def check(self, doing: str) -> None:
        """Raise when the time is over."""
        if self.left is not None and self.left < 0:
            raise RunError(
                f"The budget of {self.budget:.0f} s ended while {doing}.",
                advice="Run it again with a larger --budget, or none.",
            )
