"""Whether a camera of some file can be one: numbers that are finite and still absurd end in arithmetic that fails."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.geometry import camera_positions
from recon.io.lens import focal_and_center
from recon.types import Lens

__all__ = ["FARTHEST", "check_camera"]

FARTHEST = 1e12
"""From the origin, in any unit: the Earth is 1e10 millimetres wide."""
_WIDEST, _LONGEST = 0.01, 1000.0
"""Focal lengths as shares of the picture's longest side: wider than any fisheye, longer than any telescope."""
_MOST_ASIDE = 100.0
"""How far the centre may lie outside of the picture, in longest sides: pictures are cut out of others."""
_MOST_BENT = 1e6
"""Any coefficient of distortion."""


def check_camera(lens: Lens, cam_from_input: Float[np.ndarray, "4 4"]) -> None:
    """Raise `InputError` that says what no camera has."""
    longest = max(lens.width, lens.height)
    focal, center = focal_and_center(lens)
    for length in focal:
        if not _WIDEST * longest <= length <= _LONGEST * longest:
            raise InputError(
                f"has a focal length of {length:.3g} pixels for a picture of {lens.width} x {lens.height}, "
                "which no camera has.",
                advice="Correct it.",
            )
    if not max(abs(value) for value in center) <= _MOST_ASIDE * longest:
        raise InputError(f"has its centre at {center[0]:.3g}, {center[1]:.3g}.", advice="Correct cx and cy.")
    if not max(abs(value) for value in lens.params) <= max(_MOST_BENT, _LONGEST * longest):
        raise InputError("has a distortion that no camera has.", advice="Correct the coefficients.")
    if not np.isfinite(cam_from_input).all() or not np.abs(camera_positions(cam_from_input)).max() <= FARTHEST:
        raise InputError("was taken farther away than any place is.", advice="Correct its pose.")
