"""The frame of training: a shift and a uniform scale away from the input frame, chosen by what the cameras look at."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from recon.geometry import camera_positions, focus_point, similarity

__all__ = ["choose_input_from_world"]

_SOME = 4000
_ENOUGH = 8


def choose_input_from_world(
    cam_from_input: Float[np.ndarray, "n 4 4"],
    half_view: Float[np.ndarray, "n 2"],
    points: Float[np.ndarray, "p 3"],
) -> Float[np.ndarray, "4 4"]:
    """What the cameras look at becomes the origin, their median distance from it 1.

    `half_view` holds tangents of half the fields of view. With points, a camera looks at the median depth of those it
    sees, so that outliers do not matter; without, at the point nearest to all optical axes. Where cameras look
    outward from one place, the scale is such that what they see is about 3 away.
    """
    position, forward = camera_positions(cam_from_input), cam_from_input[:, 2, :3]
    depth = _median_depths(cam_from_input, half_view, points)
    seeing = np.isfinite(depth)
    focus = focus_point(cam_from_input)
    if seeing.sum() * 2 > len(position):
        center = np.median((position + forward * depth[:, None])[seeing], axis=0)
        typical = float(np.median(depth[seeing]))
    elif focus is not None:
        center, typical = focus, 0.0
    else:  # nothing says how far things are: as far as the cameras are apart
        spread = float(np.linalg.norm(position - position.mean(axis=0), axis=1).max())
        typical = 2 * spread if spread > 0 else 1.0
        center = np.median(position + forward * typical, axis=0)
    distance = float(np.median(np.linalg.norm(position - center, axis=1)))
    return similarity(max(distance, 0.3 * typical, 1e-9), None, center)


def _median_depths(
    cam_from_input: Float[np.ndarray, "n 4 4"], half_view: Float[np.ndarray, "n 2"], points: Float[np.ndarray, "p 3"]
) -> Float[np.ndarray, "n"]:
    """Of the points that each camera sees, NaN where they are too few."""
    some = points[:: max(1, len(points) // _SOME)]
    depths = np.full(len(cam_from_input), np.nan)
    for index, (pose, view) in enumerate(zip(cam_from_input, half_view, strict=True)):
        seen = some @ pose[:3, :3].T + pose[:3, 3]
        ahead = seen[seen[:, 2] > 1e-9]
        depth = ahead[(np.abs(ahead[:, :2]) < ahead[:, 2:] * view).all(axis=1), 2]
        if len(depth) >= _ENOUGH:
            depths[index] = np.median(depth)
    return depths
