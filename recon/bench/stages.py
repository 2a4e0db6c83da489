"""A stage: something that is timed, and the least work that it could be done with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from recon.bench.availability import why_absent
from recon.bench.results import Ceilings, StageRow, Timing
from recon.bench.timing import samples_in_turns

__all__ = ["Stage", "Work", "stage_rows"]


@dataclass(frozen=True)
class Work:
    """What must be done however it is done; 0: not counted. Shares of a ceiling follow from it and are too small."""

    bytes: int | float = 0
    flops: int | float = 0


@dataclass(frozen=True)
class Stage:
    """Something to time. `needs` are stages whose results it takes: they run before it in every round."""

    name: str
    run: Callable[[], object]
    work: Callable[[], Work] = Work
    """Asked after the runs, when counts are known."""
    counts: Callable[[], Mapping[str, int | float]] = dict
    needs: tuple[str, ...] = ()
    parts: Callable[[], Mapping[str, Sequence[float]]] = dict
    """Milliseconds of what it is made of, run by run, where it can tell."""


@dataclass
class _Kept:
    running: dict[str, Stage] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


def stage_rows(
    stages: Sequence[Stage],
    *,
    input_name: str,
    device: torch.device,
    ceilings: Ceilings | None,
    sums: Mapping[str, Sequence[str]] | None = None,
    only: Sequence[str] = (),
) -> list[StageRow]:
    """Time the stages in turns. `sums` names rows that add up others, run by run; `only` leaves the rest out."""
    sums = {} if sums is None else sums
    kept = _available(_wanted(stages, sums, only))
    samples = samples_in_turns({name: stage.run for name, stage in kept.running.items()}, device)
    rows = []
    for name, stage in kept.running.items():
        timing = Timing.of(samples[name])
        rows.append(_row(name, input_name, timing, stage.work(), ceilings, dict(stage.counts())))
        for part, times in stage.parts().items():
            rows.append(StageRow(f"{name}: {part}", input_name, Timing.of(times[-timing.runs :])))
    for name, parts in sums.items():
        if all(part in samples for part in parts):
            added = [sum(times) for times in zip(*(samples[part] for part in parts), strict=True)]
            rows.append(StageRow(name, input_name, Timing.of(added)))
    rows += [StageRow(name, input_name, None, note=f"not available: {why}") for name, why in kept.absent.items()]
    return rows


def _wanted(stages: Sequence[Stage], sums: Mapping[str, Sequence[str]], only: Sequence[str]) -> list[Stage]:
    if len(only) == 0:
        return list(stages)
    known = [*sums, *(stage.name for stage in stages)]
    chosen = [name for name in known if any(name.startswith(start) for start in only)]
    names = {part for name in chosen for part in sums.get(name, (name,))}
    for stage in reversed(stages):  # what a stage needs comes before it
        if stage.name in names:
            names |= set(stage.needs)
    return [stage for stage in stages if stage.name in names]


def _available(stages: Sequence[Stage]) -> _Kept:
    """Runs every stage once to see whether there is such a thing on this device."""
    kept = _Kept()
    for stage in stages:
        missing = [name for name in stage.needs if name in kept.absent]
        why = f"it needs {missing[0]}" if missing else why_absent(stage.run)
        if why is None:
            kept.running[stage.name] = stage
        else:
            kept.absent[stage.name] = why
    return kept


def _row(
    name: str, input_name: str, timing: Timing, work: Work, ceilings: Ceilings | None, counts: dict[str, int | float]
) -> StageRow:
    if ceilings is None or timing.median <= 0:
        return StageRow(name, input_name, timing, counts=counts)
    moved, computed = work.bytes / timing.median / 1e6, work.flops / timing.median / 1e6
    return StageRow(
        name,
        input_name,
        timing,
        memory_share=moved / ceilings.copy_gigabytes if work.bytes > 0 else None,
        compute_share=computed / ceilings.fma_gigaflops if work.flops > 0 else None,
        counts=counts,
    )
