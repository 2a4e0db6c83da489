"""How a scene's photos lie around what they look at.

Everything in the world frame. Azimuths are counter-clockwise seen from above, elevations above the horizon, radians.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from recon.geometry import camera_positions, focus_point
from recon.types import Cameras, Scene

__all__ = ["Around", "around"]

_WIDEST_GAP = math.radians(120)
"""Photos that leave more of the circle unseen than this do not go around."""


@dataclass(frozen=True)
class Around:
    """`focus` is what the training photos look at; the rest says where each stands as seen from there."""

    focus: Float[np.ndarray, "3"]
    east: Float[np.ndarray, "3"]
    """Where azimuth and elevation are 0. A quarter turn of azimuth later: `north`."""
    north: Float[np.ndarray, "3"]
    up: Float[np.ndarray, "3"]
    distances: Float[np.ndarray, "n"]
    azimuths: Float[np.ndarray, "n"]
    elevations: Float[np.ndarray, "n"]

    def outward(
        self, azimuths: Float[np.ndarray, "*n"], elevations: Float[np.ndarray, "*n"]
    ) -> Float[np.ndarray, "*n 3"]:
        """Unit vectors from the focus."""
        a, e = azimuths[..., None], elevations[..., None]
        return np.cos(e) * (np.cos(a) * self.east + np.sin(a) * self.north) + np.sin(e) * self.up

    @property
    def arc(self) -> tuple[float, float] | None:
        """Where the photos begin, counter-clockwise, and how far they reach; None where they go all around."""
        ordered = np.sort(self.azimuths)
        gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
        widest = int(np.argmax(gaps))
        if gaps[widest] < _WIDEST_GAP:
            return None
        return float(ordered[(widest + 1) % len(ordered)]), float(2 * np.pi - gaps[widest])


def around(scene: Scene) -> Around:
    """Of the photos trained on."""
    cameras = scene.cameras[list(scene.train)]
    up = scene.up.double().numpy()
    focus = _focus(scene, cameras)
    east = np.cross(np.eye(3)[np.argmin(np.abs(up))], up)
    east = east / np.linalg.norm(east)
    north = np.cross(up, east)
    offsets = cameras.position.double().numpy() - focus
    x, y, z = offsets @ east, offsets @ north, offsets @ up
    return Around(
        focus=focus,
        east=east,
        north=north,
        up=up,
        distances=np.linalg.norm(offsets, axis=-1),
        azimuths=np.arctan2(y, x),
        elevations=np.arctan2(z, np.hypot(x, y)),
    )


def _focus(scene: Scene, cameras: Cameras) -> Float[np.ndarray, "3"]:
    """Where the photos look; at the points' median depth where their lines of sight are parallel or meet far off."""
    poses = cameras.cam_from_world.double().numpy()
    positions, axes = camera_positions(poses), poses[:, 2, :3]
    seen = (scene.points.xyz.double().numpy() @ axes.T - (positions * axes).sum(axis=-1)) if len(scene.points) else None
    depth = float(np.median(seen[seen > 0])) if seen is not None and (seen > 0).any() else scene.extent
    focus = focus_point(poses)
    if focus is not None and 0.1 * depth < np.median(((focus - positions) * axes).sum(axis=-1)) < 10 * depth:
        return focus
    axis = axes.mean(axis=0)
    return positions.mean(axis=0) + depth * axis / max(float(np.linalg.norm(axis)), 1e-6)
