"""Pictures inside the report: JPEGs as data addresses, the loss as SVG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

from jaxtyping import UInt8
from torch import Tensor

__all__ = ["jpeg_address", "loss_curve"]

_POINTS = 400
"""Points of the drawn curve; more cannot be told apart."""


def jpeg_address(picture: UInt8[Tensor, "h w 3"]) -> str:
    """A data address of the picture as JPEG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture.numpy()).save(file, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def loss_curve(points: Sequence[tuple[int, float]]) -> str:
    """The loss over steps, its mean over neighbouring records, on a logarithmic axis; empty when there is none."""
    good = [(step, loss) for step, loss in points if math.isfinite(loss) and loss > 0]
    if len(good) < 2:
        return ""
    run = math.ceil(len(good) / _POINTS * 2)
    chunks = [good[start : start + run] for start in range(0, len(good), run)]
    curve = [(chunk[-1][0], sum(loss for _, loss in chunk) / len(chunk)) for chunk in chunks]
    last = max(curve[-1][0], 1)
    low, high = (math.log10(bound([loss for _, loss in curve])) for bound in (min, max))
    span = max(high - low, 0.1)

    def place(step: int, loss: float) -> str:
        return f"{50 + 930 * step / last:.1f},{20 + 210 * (high - math.log10(loss)) / span:.1f}"

    lines = []
    for share in (0.0, 0.5, 1.0):
        loss = 10 ** (high - share * span)
        y = 20 + 210 * share
        lines.append(f"<line class='grid' x1='50' x2='980' y1='{y}' y2='{y}'/>")
        lines.append(f"<text x='42' y='{y + 4}' text-anchor='end'>{loss:.2g}</text>")
    lines += [f"<text x='980' y='252' text-anchor='end'>step {last:,}</text><text x='50' y='252'>0</text>"]
    path = " ".join(place(step, loss) for step, loss in curve)
    return f"<svg viewBox='0 0 1000 260' role='img'>{''.join(lines)}<polyline class='curve' points='{path}'/></svg>"
