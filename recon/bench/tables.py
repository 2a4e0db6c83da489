"""A benchmark's results as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from recon.bench.results import BenchReport, CheckRow, RatioRow, StageRow, TrainingRow

__all__ = ["to_markdown"]


def to_markdown(report: BenchReport) -> str:
    """Headings and tables, for a file of its own."""
    machine = report.machine
    parts = [f"# Operators on {machine.get('gpu', machine['processor'])}", _machine(report)]
    if report.checks:
        parts += ["## Beside the references", _checks(report.checks)]
    if report.stages:
        parts += ["## Stages", _STAGES, _stages(report.stages)]
    if report.ratios:
        parts += ["## Beside others", _RATIOS, _ratios(report.ratios)]
    if report.trainings:
        parts += ["## Training", _trainings(report.trainings)]
    return "\n\n".join(parts) + "\n"


_STAGES = """Milliseconds: the median of 30 runs after 5 that do not count, and the 10th and 90th percentile. All stages
of an input run in turns. "of copy" and "of FMA" are the least work that the stage could be done with, by its time, as
shares of the two rates above; caches can lift the first above 100 %."""
_RATIOS = "Their time over ours on the same input, in turns in one process: above 1 ours is faster."


def _machine(report: BenchReport) -> str:
    facts = [f"{name.replace('_', ' ')}: {value}" for name, value in report.machine.items() if value is not None]
    if report.ceilings is not None:
        ceilings = report.ceilings
        facts.append(f"measured copy: {ceilings.copy_gigabytes:.1f} GB/s")
        facts.append(f"measured float32 matrix product: {ceilings.fma_gigaflops:.0f} GFLOP/s")
    return "\n".join(f"* {fact}" for fact in facts)


def _checks(checks: Sequence[CheckRow]) -> str:
    """The worst of each operator, over its inputs."""
    operators: dict[str, list[CheckRow]] = {}
    for check in checks:
        operators.setdefault(check.operator, []).append(check)
    rows = []
    for operator, own in operators.items():
        measured = [check for check in own if check.error is not None]
        if len(measured) == 0:
            rows.append((operator, "", "", own[0].note))
            continue
        failed = [check for check in measured if not check.passed]
        worst = max(measured, key=lambda check: (not check.passed, (check.error or 0) / (check.tolerance or 1)))
        verdict = f"{len(measured) - len(failed)} of {len(measured)} within tolerance"
        error = f"{worst.error:.1e} of {worst.tolerance:.0e}"
        rows.append((operator, verdict, f"{worst.quantity} ({worst.input})", error))
    return _table(("operator", "quantities", "nearest to its tolerance", "error"), rows)


def _stages(stages: Sequence[StageRow]) -> str:
    rows = []
    for row in stages:
        if row.timing is None:
            rows.append((row.input, row.stage, row.note, "", "", "", "", ""))
            continue
        times = [_ms(value) for value in (row.timing.median, row.timing.p10, row.timing.p90)]
        rows.append((row.input, row.stage, *times, _share(row.memory_share), _share(row.compute_share), _counts(row)))
    return _table(("input", "stage", "median ms", "p10", "p90", "of copy", "of FMA", "counts"), rows)


def _counts(row: StageRow) -> str:
    return ", ".join(f"{value:,.0f} {name}" for name, value in row.counts.items() if name != "gaussians")


def _ratios(ratios: Sequence[RatioRow]) -> str:
    rows = []
    for row in ratios:
        if row.ratio is None or row.ours is None or row.theirs is None:
            rows.append((row.peer, row.input, row.part, row.note, "", "", ""))
        else:
            times = _ms(row.ours.median), _ms(row.theirs.median)
            rows.append((row.peer, row.input, row.part, f"{row.ratio:.2f}", *times, row.note))
    return _table(("peer", "input", "part", "ratio", "ours ms", "theirs ms", ""), rows)


def _trainings(trainings: Sequence[TrainingRow]) -> str:
    rows = [
        (
            row.scene,
            row.device,
            "" if row.psnr is None else f"{row.psnr:.2f}",
            "" if row.ssim is None else f"{row.ssim:.3f}",
            f"{row.steps:,}",
            f"{row.gaussians:,}",
            f"{row.seconds:.1f}",
        )
        for row in trainings
    ]
    return _table(("scene", "device", "PSNR dB", "SSIM", "steps", "Gaussians", "seconds"), rows)


def _ms(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])
