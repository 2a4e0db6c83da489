"""What a browser looks at, and which of our cameras that is.

A browser's camera has recon's axes (+x right, +y down, +z forward), so `wxyz` is the rotation of `world_from_cam`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from recon.geometry import rotation_from_quaternion, similarity
from recon.types import Cameras

__all__ = ["View", "fov_that_holds"]


@dataclass(frozen=True)
class View:
    """One browser's camera. Two equal views show the same picture."""

    position: tuple[float, ...]
    wxyz: tuple[float, ...]
    fov: float
    """Vertical, radians."""
    width: int
    """Pixels of the canvas."""
    height: int

    @staticmethod
    def of(camera: Any) -> View | None:
        """The present state of a `viser.CameraHandle`; None when a browser says what no camera can be."""
        position, wxyz, fov = tuple(map(float, camera.position)), tuple(map(float, camera.wxyz)), float(camera.fov)
        width, height = int(camera.image_width), int(camera.image_height)
        sound = all(map(math.isfinite, (*position, *wxyz, fov))) and any(wxyz) and 0.001 < fov < 3.14
        return View(position, wxyz, fov, width, height) if sound and width > 0 and height > 0 else None

    @property
    def longest_side(self) -> int:
        return max(self.width, self.height)

    @property
    def aspect(self) -> float:
        """Width to height."""
        return self.width / self.height

    def camera(self, longest_side: int) -> Cameras:
        """The camera that draws this view with `longest_side` pixels."""
        shrink = longest_side / self.longest_side
        width, height = max(round(self.width * shrink), 1), max(round(self.height * shrink), 1)
        rotation = rotation_from_quaternion(np.array(self.wxyz)).T
        cam_from_world = similarity(1.0, rotation, -rotation @ np.array(self.position))
        focal = 0.5 * height / math.tan(0.5 * self.fov)
        return Cameras(
            cam_from_world=torch.from_numpy(cam_from_world).float(),
            focal=torch.tensor([focal, focal]),
            center=torch.tensor([width / 2, height / 2]),
            width=torch.tensor(width),
            height=torch.tensor(height),
        )


def fov_that_holds(camera: Cameras, aspect: float) -> float:
    """The vertical angle of view, in radians, at which a window of this width to height shows all of the photo."""
    across = float(camera.width / camera.focal[0])
    down = float(camera.height / camera.focal[1])
    return 2 * math.atan(0.5 * max(down, across / aspect))
