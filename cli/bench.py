"""`recon bench`: how right and how fast the operators are on this machine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from recon.bench import BenchOptions, BenchReport, run_bench, to_markdown
from recon.cli.command import Talk
from recon.cli.console import Console
from recon.errors import RunError
from recon.io.disk import write_whole

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk, BenchOptions):
    """How right and how fast recon's operators are on this machine.

    Compares every operator with its reference in double precision, times each stage of training (30 runs, and their
    share of what the machine can do at most), and runs gsplat in turns with ours where it can run. What does not exist
    on a device is "not available". Prints tables in Markdown; --json prints one object.
    """


def run(options: Options, console: Console) -> dict[str, Any]:
    chosen = BenchOptions(**{field.name: getattr(options, field.name) for field in fields(BenchOptions)})
    with console.stage("bench") as stage:
        report = run_bench(chosen, lambda what: console.say(f"bench: {what}"))
        stage.result = f"{len(report.checks)} checks, {len(report.stages)} stages"
    _write(options, report)
    if not options.json:
        print(to_markdown(report))
    _refuse_wrong(report)
    return report.plain()


def _write(options: Options, report: BenchReport) -> None:
    if options.markdown is not None:
        write_whole(options.markdown, to_markdown(report).encode())


def _refuse_wrong(report: BenchReport) -> None:
    if len(report.failed) == 0:
        return
    told = "; ".join(f"{row.operator} ({row.input}): {row.quantity} {row.error:.1e}" for row in report.failed[:5])
    raise RunError(
        f"{len(report.failed)} of {len(report.checks)} comparisons with the references failed: {told}.",
        advice="Install recon again; if it stays so, report it with this machine's name.",
    )
