"""What the person at the prompt sees: progress with the time left, one line per stage, errors. All on stderr."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from recon.cli.memory import PeakMemory
from recon.cli.streams import tell

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Console", "Stage", "StageSummary", "duration"]

_SHOW_AFTER = 2.0
"""Seconds before a stage shows its progress: what is over sooner needs none."""
_PLAIN_EVERY = 10.0
"""Seconds between progress lines where no terminal can redraw one."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: 0.4 s, 12 s, 3:05 min, 1:02:00 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02} h"


@dataclass(frozen=True)
class StageSummary:
    name: str
    seconds: float
    peak_memory: int
    """Bytes."""


class Console:
    """Where a command talks. `stages` remembers what was done, for `--json` and the report."""

    def __init__(self, *, quiet: bool = False, started: float | None = None) -> None:
        self.quiet = quiet
        self.started = time.monotonic() if started is None else started
        self.stages: list[StageSummary] = []
        self._stage: Stage | None = None

    def say(self, text: str) -> None:
        if not self.quiet:
            self._print(text)

    def insist(self, text: str) -> None:
        """Said even to those who asked for quiet: nothing happens until they do something."""
        self._print(text)

    def warn(self, text: str) -> None:
        if not self.quiet:
            self._print(f"note: {text}")

    def error(self, message: str, advice: str) -> None:
        self._print(f"recon: {message}")
        if advice:
            self._print(advice)

    @contextlib.contextmanager
    def stage(self, name: str) -> Iterator[Stage]:
        """A named part of the work: its progress while it runs, one line when it is done."""
        stage = Stage(name, self)
        self._stage = stage
        try:
            yield stage
        except BaseException:
            stage.hide()
            self._stage = None
            raise
        stage.hide()
        self._stage = None
        summary = StageSummary(name, time.monotonic() - stage.started, stage.memory.bytes())
        self.stages.append(summary)
        memory = f"{summary.peak_memory / 1e9:.2f} GB"
        self.say(f"{name:<10}{duration(summary.seconds):>9}{memory:>9}   {stage.result}".rstrip())

    def _print(self, text: str) -> None:
        if self._stage is not None and self._stage.bar is not None:
            self._stage.bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            tell(text)


class Stage:
    """One part of the work. Set `result` to what the summary line should end with."""

    def __init__(self, name: str, console: Console) -> None:
        self.name = name
        self.started = time.monotonic()
        self.memory = PeakMemory()
        self.result = ""
        self.bar: Progress | None = None
        self._task: Any = None
        self._console = console
        self._spoke = self.started
        self._part, self._part_started, self._heard = "", self.started, self.started

    def progress(self, done: float, text: str = "", *, part: str = "", left: float | None = None) -> None:
        """`done` of 1 is finished: of the stage, or of the part of it that is named.

        `left` are the seconds to go where they are known better than by what `done` took.
        """
        now = time.monotonic()
        if part != self._part:
            self._part, self._part_started = part, self._heard
        self._heard = now
        if self._console.quiet or now - self.started < _SHOW_AFTER:
            return
        if left is None and done > 0 and now - self._part_started > 1:
            left = (now - self._part_started) * (1 - done) / done
        said = f"{part}  {text}".strip()
        if sys.stderr.isatty():
            self._draw(done, said, left)
        elif now - self._spoke >= _PLAIN_EVERY:
            self._spoke = now
            ahead = "" if left is None else f", {duration(left)} left"
            self._console.say(f"{self.name}: {done:.0%}{ahead}  {said}".rstrip())

    def hide(self) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None

    def _draw(self, done: float, text: str, left: float | None) -> None:
        if self.bar is None:
            self.bar = _bar()
            self._task = self.bar.add_task(self.name, total=1.0, left="", text="")
            self.bar.start()
        ahead = "" if left is None else f"{duration(left)} left"
        self.bar.update(self._task, completed=min(done, 1.0), left=ahead, text=text)


def _bar() -> Progress:
    from rich.console import Console as RichConsole
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (
        TextColumn("{task.description:<9}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[left]}  [dim]{task.fields[text]}"),
    )
    return Progress(*columns, console=RichConsole(stderr=True), transient=True, refresh_per_second=4)
