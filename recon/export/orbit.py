"""Cameras that circle what the photos look at. Everything in the world frame."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.export.around import Around, around
from recon.geometry import look_at
from recon.types import Cameras, Scene

__all__ = ["orbit_cameras", "with_lens"]


def orbit_cameras(scene: Scene, frames: int) -> Cameras:
    """Cameras looking at the photos' common focus from their median distance and elevation, lens as the median photo.

    A full circle where the photos go around; otherwise a swing there and back between the outermost ones.
    """
    photos = around(scene)
    azimuths = _azimuths(photos, frames)
    elevations = np.full(frames, np.median(photos.elevations))
    eyes = photos.focus + np.median(photos.distances) * photos.outward(azimuths, elevations)
    poses = np.stack([look_at(eye, photos.focus, photos.up) for eye in eyes])
    return with_lens(scene.cameras[list(scene.train)], torch.from_numpy(poses).float())


def _azimuths(photos: Around, frames: int) -> Float[np.ndarray, "frames"]:
    """Angles of the orbit."""
    turn = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    if photos.arc is None:
        return photos.azimuths[0] + turn
    start, width = photos.arc
    return start + width * (1 - np.cos(turn)) / 2


def with_lens(cameras: Cameras, cam_from_world: Float[Tensor, "frames 4 4"]) -> Cameras:
    """The median photo's angle of view, on pictures with even sides."""
    middle = cameras[int((cameras.focal[:, 0] / cameras.width).argsort()[len(cameras) // 2])]
    frames = len(cam_from_world)
    size = torch.stack([middle.width, middle.height]) // 2 * 2
    return Cameras(
        cam_from_world=cam_from_world,
        focal=middle.focal.expand(frames, 2),
        center=(size / 2).expand(frames, 2),
        width=size[0].expand(frames),
        height=size[1].expand(frames),
    )
