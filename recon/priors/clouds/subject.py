"""What photos are of: the part of a scene that the cameras walk around."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from recon.geometry import camera_positions, focus_point

__all__ = ["around_the_subject"]

_FEWEST = 0.02
"""Share of the points below which the cameras look past what they are around."""


def around_the_subject(
    xyz: Float[np.ndarray, "p 3"], cam_from_world: Float[np.ndarray, "n 4 4"]
) -> Bool[np.ndarray, "p"]:
    """Whether each point is as near to where the photos look as their cameras are.

    A still life, not the room behind it. All points, where the photos do not look at one place.
    """
    focus = focus_point(cam_from_world)
    if focus is None:
        return np.ones(len(xyz), dtype=bool)
    reach = np.median(np.linalg.norm(camera_positions(cam_from_world) - focus, axis=1))
    near = np.linalg.norm(xyz - focus, axis=1) < reach
    return near if near.mean() > _FEWEST else np.ones(len(xyz), dtype=bool)
