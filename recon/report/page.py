"""report.html: what came out of a training, how good it is, what to improve. One file, no network."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from torch import Tensor

from recon.io.disk import write_whole
from recon.report.advice import advice
from recon.report.pictures import jpeg_address, loss_curve
from recon.types import Metrics, Reconstruction

__all__ = ["Comparison", "Outcome", "write_report"]

_STYLE = """
:root { color-scheme: light dark; --ink: #1d2129; --soft: #667085; --line: #e4e7ec; --card: #fff; --page: #f7f8fa;
  --mark: #3566d6; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #98a2b3; --line: #2c313a; --card: #1b1f26;
  --page: #13161b; --mark: #7ea2f5; } }
* { box-sizing: border-box } body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 40px 24px 72px; }
h1 { font-size: 28px; margin: 0 } h2 { font-size: 18px; margin: 40px 0 12px } p { margin: 4px 0 } 
.soft { color: var(--soft) } .note { margin-bottom: 12px }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 24px }
.figure, .card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: 14px 16px }
.figure b { display: block; font-size: 24px; font-variant-numeric: tabular-nums; font-weight: 600 }
.figure span { color: var(--soft); font-size: 14px }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(440px, 1fr)); gap: 16px }
@media (max-width: 520px) { .pairs { grid-template-columns: 1fr } }
.pair img { width: 50%; display: inline-block; vertical-align: top } .pair { padding: 0; overflow: hidden; margin: 0 }
.pair figcaption { display: flex; justify-content: space-between; gap: 12px; padding: 10px 14px; font-size: 14px }
.pair figcaption span:last-child { white-space: nowrap; font-variant-numeric: tabular-nums }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums } td, th { text-align: left;
  padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top } tr:last-child td { border: 0 }
th { color: var(--soft); font-weight: 500; font-size: 14px } td.number, th.number { text-align: right }
ul { margin: 0; padding-left: 20px } li { margin: 4px 0 } svg { width: 100%; height: auto; display: block }
svg text { fill: var(--soft); font-size: 12px } svg .grid { stroke: var(--line) }
svg .curve { stroke: var(--mark); fill: none; stroke-width: 2; stroke-linejoin: round }
"""


@dataclass(frozen=True)
class Comparison:
    """A held-out photo and the render of the same view, as small as they are to be shown."""

    name: str
    psnr: float
    ssim: float
    photo: UInt8[Tensor, "h w 3"]
    render: UInt8[Tensor, "h w 3"]


@dataclass(frozen=True)
class Outcome:
    """What a training came to."""

    name: str
    photos: int
    reconstruction: Reconstruction
    trained: int
    """Photos trained on."""
    metrics: Metrics
    comparisons: tuple[Comparison, ...]
    """Of the held-out photos, in the order to show them."""
    steps: int
    size: str
    """What the model has become, a number and a word."""
    stages: tuple[tuple[str, float, int], ...]
    """Name, seconds, bytes of memory at most."""
    records: tuple[dict[str, Any], ...]
    """The lines of metrics.jsonl."""


def write_report(outcome: Outcome, path: Path) -> None:
    """One self-contained HTML file, pictures included: it opens without a network."""
    sections = [
        _heading(outcome),
        _figures(outcome),
        _advice(outcome),
        _comparisons(outcome),
        _curve(outcome),
        _left_out(outcome),
        _stages(outcome),
    ]
    title = html.escape(outcome.name)
    page = (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title} · recon</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body><main>{''.join(sections)}</main></body></html>\n"
    )
    write_whole(path, page.encode("utf-8", errors="backslashreplace"))


def _heading(outcome: Outcome) -> str:
    posed = len(outcome.reconstruction.views)
    return (
        f"<h1>{html.escape(outcome.name)}</h1><p class='soft'>{posed} of {outcome.photos} photos posed, "
        f"{outcome.trained} trained on, {len(outcome.metrics.views)} held out to measure with.</p>"
    )


def _figures(outcome: Outcome) -> str:
    error = outcome.reconstruction.mean_reprojection_error
    amount, _, what = outcome.size.partition(" ")
    figures = [
        (_number(outcome.metrics.psnr, 2, " dB"), "PSNR on held-out photos"),
        (_number(outcome.metrics.ssim, 3), "SSIM on held-out photos"),
        (amount, what),
        (f"{outcome.steps:,}", "training steps"),
        (_number(error, 2, " px"), "reprojection error of the poses"),
    ]
    cells = "".join(f"<div class='figure'><b>{value}</b><span>{what}</span></div>" for value, what in figures)
    return f"<div class='figures'>{cells}</div>"


def _advice(outcome: Outcome) -> str:
    items = advice(
        photos=outcome.photos, reconstruction=outcome.reconstruction, metrics=outcome.metrics, steps=outcome.steps
    )
    return (
        "<h2>What to improve</h2><div class='card'><ul>" + "".join(f"<li>{item}</li>" for item in items) + "</ul></div>"
    )


def _comparisons(outcome: Outcome) -> str:
    if len(outcome.comparisons) == 0:
        return ""
    pairs = "".join(_pair(comparison) for comparison in outcome.comparisons)
    hidden = len(outcome.metrics.views) - len(outcome.comparisons)
    more = f"<p class='soft'>And {hidden} more.</p>" if hidden > 0 else ""
    return (
        "<h2>Photos it never saw, worst first</h2><p class='soft note'>Left the photo, right the render.</p>"
        f"<div class='pairs'>{pairs}</div>{more}"
    )


def _pair(shown: Comparison) -> str:
    name = html.escape(shown.name, quote=True)
    return (
        f"<figure class='card pair'><img src='{jpeg_address(shown.photo)}' alt='photo {name}'>"
        f"<img src='{jpeg_address(shown.render)}' alt='render of {name}'>"
        f"<figcaption><span>{name}</span><span>{_number(shown.psnr, 2, ' dB')} · {_number(shown.ssim, 3)}</span>"
        "</figcaption></figure>"
    )


def _curve(outcome: Outcome) -> str:
    drawn = loss_curve([(record["step"], sum(record.get("losses", {}).values())) for record in outcome.records])
    return f"<h2>Loss</h2><div class='card'>{drawn}</div>" if drawn else ""


def _left_out(outcome: Outcome) -> str:
    items = outcome.reconstruction.left_out
    if len(items) == 0:
        return ""
    rows = "".join(f"<tr><td>{html.escape(item.name)}</td><td>{html.escape(item.reason)}</td></tr>" for item in items)
    return f"<h2>Left out</h2><div class='card'><table><tr><th>file</th><th>why</th></tr>{rows}</table></div>"


def _stages(outcome: Outcome) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td class='number'>{seconds:.1f} s</td>"
        f"<td class='number'>{memory / 1e9:.2f} GB</td></tr>"
        for name, seconds, memory in outcome.stages
    )
    head = "<tr><th>stage</th><th class='number'>time</th><th class='number'>peak memory</th></tr>"
    return f"<h2>Where the time went</h2><div class='card'><table>{head}{rows}</table></div>"


def _number(value: float | None, digits: int, unit: str = "") -> str:
    return "–" if value is None or math.isnan(value) else f"{value:.{digits}f}{unit}"
