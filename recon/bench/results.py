"""What a benchmark says: plain data, for JSON and for tables. Times are milliseconds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["BenchReport", "Ceilings", "CheckRow", "RatioRow", "StageRow", "Timing", "TrainingRow"]


@dataclass(frozen=True)
class Timing:
    """How long many runs of the same thing took."""

    median: float
    p10: float
    p90: float
    runs: int

    @staticmethod
    def of(samples: Sequence[float]) -> Timing:
        tenths = statistics.quantiles(samples, n=10, method="inclusive") if len(samples) > 1 else [samples[0]] * 9
        return Timing(statistics.median(samples), tenths[0], tenths[-1], len(samples))


@dataclass(frozen=True)
class Ceilings:
    """What this device reached in the same run, on the simplest work there is."""

    copy_gigabytes: float
    """A second, read and written, of a large copy."""
    fma_gigaflops: float
    """A second, float32, of a large matrix product."""


@dataclass(frozen=True)
class CheckRow:
    """An operator beside its reference in double precision."""

    operator: str
    input: str
    quantity: str
    error: float | None
    """None where the operator does not exist on the device."""
    tolerance: float
    passed: bool
    note: str = ""


@dataclass(frozen=True)
class StageRow:
    """One stage on one input."""

    stage: str
    input: str
    timing: Timing | None
    """None where the stage does not exist on the device."""
    memory_share: float | None = None
    """Of the copy's bandwidth, by the least that must be moved; above 1 the caches help."""
    compute_share: float | None = None
    """Of the matrix product's rate, by the least that must be computed."""
    counts: dict[str, int | float] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class RatioRow:
    """Somebody else's time over ours on the same input, in turns: above 1 ours is faster."""

    peer: str
    part: str
    input: str
    ratio: float | None
    ours: Timing | None = None
    theirs: Timing | None = None
    note: str = ""


@dataclass(frozen=True)
class TrainingRow:
    """A scene trained for a while, and how good it became on views that were held out."""

    scene: str
    device: str
    psnr: float | None
    ssim: float | None
    steps: int
    gaussians: int
    seconds: float


@dataclass(frozen=True)
class BenchReport:
    """All of it."""

    machine: dict[str, Any]
    ceilings: Ceilings | None
    checks: tuple[CheckRow, ...]
    stages: tuple[StageRow, ...]
    ratios: tuple[RatioRow, ...]
    trainings: tuple[TrainingRow, ...] = ()

    @property
    def failed(self) -> tuple[CheckRow, ...]:
        return tuple(check for check in self.checks if not check.passed)

    def plain(self) -> dict[str, Any]:
        """What JSON holds."""
        return asdict(self)
