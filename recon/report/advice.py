"""What a person can do to make the next result better, from what this one shows."""

from __future__ import annotations

import html
import math

from recon.types import Metrics, Reconstruction

__all__ = ["advice"]

_MANY_LEFT_OUT = 0.1
_HIGH_REPROJECTION_ERROR = 1.5
"""Pixels; COLMAP's results on sharp photos with a fixed lens stay under one."""
_LOW_PSNR = 22.0
_FAR_BELOW = 5.0
"""dB under the median, from which a single photo stands out."""
_FEW_PHOTOS = 20
_FEW_STEPS = 2000


def advice(*, photos: int, reconstruction: Reconstruction, metrics: Metrics, steps: int) -> list[str]:
    """Sentences in HTML, the most useful first; never empty."""
    items = []
    lost = photos - len(reconstruction.views)
    if lost > _MANY_LEFT_OUT * photos:
        items.append(
            f"{lost} photos could not be placed. Neighbouring photos should share more than half of what they show: "
            "take more in between, and walk around instead of turning on the spot."
        )
    error = reconstruction.mean_reprojection_error
    if error is not None and error > _HIGH_REPROJECTION_ERROR:
        items.append(
            f"The poses are loose ({error:.1f} px). Keep zoom and focus fixed, avoid motion blur and moving subjects."
        )
    if photos < _FEW_PHOTOS:
        items.append(f"{photos} photos are few. 40 to 100 from all sides and two heights give a scene without holes.")
    if steps < _FEW_STEPS:
        items.append(f"{steps:,} steps are few. A larger --budget or --steps sharpens the result.")
    items += _about_scores(metrics, trained_long=steps >= _FEW_STEPS)
    return items or ["Nothing stands out. More steps or a larger --image-size bring finer detail."]


def _about_scores(metrics: Metrics, *, trained_long: bool) -> list[str]:
    scores = sorted(view.psnr for view in metrics.views if not math.isnan(view.psnr))
    if len(scores) == 0:
        return ["No photo was held out, so nothing was measured. --hold-out 8 keeps every eighth for that."]
    items = []
    if metrics.psnr < _LOW_PSNR and trained_long:
        items.append(
            f"{metrics.psnr:.1f} dB is low: look for moving things, changing light, reflections, or held-out photos "
            "far from all others."
        )
    median = scores[len(scores) // 2]
    outliers = [html.escape(view.name) for view in metrics.views if view.psnr < median - _FAR_BELOW]
    if outliers:
        items.append(
            f"Much worse than the others: {', '.join(outliers[:5])}. Are they blurred, or taken from where few "
            "others were?"
        )
    return items
