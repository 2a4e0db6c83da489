"""Where somebody who is sent a scene stands first, and how far the photos let one go from there."""

from __future__ import annotations

import math

import numpy as np
from jaxtyping import Float
from torch import Tensor

from recon.export.around import Around, around
from recon.geometry import scale_of, transform_points
from recon.io.splats.look import Look
from recon.types import Scene

__all__ = ["look_of"]

_BELOW, _ABOVE, _BESIDE = math.radians(8), math.radians(20), math.radians(15)
"""How far beyond the outermost photos one may turn: the scene is still whole there."""
_NEARER, _FARTHER = 0.2, 1.6
"""Of the distance of the nearest and the farthest photos."""


def look_of(
    scene: Scene,
    output_from_world: Float[np.ndarray, "4 4"],
    *,
    background: Float[Tensor, "3"],
    title: str,
) -> Look:
    """As the first training photo saw it, turning around what is straight ahead, as far as photos were taken."""
    photos = around(scene)
    camera = scene.cameras[scene.train[0]]
    eye, axis = camera.position.double().numpy(), camera.cam_from_world[2, :3].double().numpy()
    typical = float(np.median(photos.distances))
    ahead = float((photos.focus - eye) @ axis)
    ahead = ahead if 0.2 * typical < ahead < 5 * typical else typical
    near, far = np.quantile(photos.distances, [0.05, 0.95])
    scale = scale_of(output_from_world)
    ends = transform_points(output_from_world, np.stack([eye, eye + ahead * axis])).tolist()
    elevation = math.asin(float(np.clip(-(axis @ photos.up), -1, 1)))
    return Look(
        eye=tuple(ends[0]),
        target=tuple(ends[1]),
        across=float(camera.width / camera.focal[0]) / 2,
        down=float(camera.height / camera.focal[1]) / 2,
        nearest=scale * min(_NEARER * near, 0.5 * ahead),
        farthest=scale * max(_FARTHER * far, 1.5 * ahead),
        lowest=min(float(np.quantile(photos.elevations, 0.05)), elevation) - _BELOW,
        highest=max(float(np.quantile(photos.elevations, 0.95)), elevation) + _ABOVE,
        around=_sides(photos, axis),
        background=tuple(background.tolist()),
        title=title,
    )


def _sides(photos: Around, axis: Float[np.ndarray, "3"]) -> tuple[float, float] | None:
    """How far to turn from a camera with this optical axis; None for all the way round."""
    if photos.arc is None:
        return None
    start, width = photos.arc
    first = math.atan2(-(axis @ photos.north), -(axis @ photos.east))
    passed = (first - start + math.pi - width / 2) % (2 * math.pi) - math.pi + width / 2  # the arc's middle is half way
    return min(-passed, 0.0) - _BESIDE, max(width - passed, 0.0) + _BESIDE
