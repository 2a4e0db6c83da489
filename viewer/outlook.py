"""Where a browser's camera goes: to a photo's place, turning around what that photo shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from recon.geometry import focus_point, quaternion_from_rotation
from recon.types import Scene
from recon.viewer.view import View, fov_that_holds

__all__ = ["Outlook", "outlook_of"]

_SOME = 20_000
"""Points looked at, at most."""
_ENOUGH = 8


@dataclass(frozen=True)
class Outlook:
    """A place to look from, in the world."""

    position: Float[np.ndarray, "3"]
    wxyz: Float[np.ndarray, "4"]
    """Rotation of `world_from_cam`."""
    look_at: Float[np.ndarray, "3"]
    """What the camera turns around: straight ahead, as far away as what is seen."""
    index: int
    """Of the photo taken here."""

    def show(self, client: Any, scene: Scene) -> None:
        """Move a `viser.ClientHandle` there, its window wide enough for all of the photo."""
        camera = client.camera
        with client.atomic():
            self.fit(client, scene)
            camera.position = self.position
            camera.wxyz = self.wxyz
            camera.look_at = self.look_at

    def fit(self, client: Any, scene: Scene) -> None:
        """Only widen or narrow the angle of view."""
        view = View.of(client.camera)
        if view is not None:
            client.camera.fov = fov_that_holds(scene.cameras[self.index], view.aspect)


def outlook_of(scene: Scene, index: int) -> Outlook:
    """The outlook of one photo."""
    pose = scene.cameras.cam_from_world[index].double().cpu().numpy()
    rotation, forward = pose[:3, :3].T, pose[2, :3]
    position = -rotation @ pose[:3, 3]
    return Outlook(
        position=position,
        wxyz=quaternion_from_rotation(rotation),
        look_at=position + forward * _distance(scene, index),
        index=index,
    )


def _distance(scene: Scene, index: int) -> float:
    """Median depth of the points in sight, else of where all photos look, else the scene's extent."""
    camera = scene.cameras[index]
    points = scene.points.xyz[:: max(1, len(scene.points) // _SOME)]
    seen = points @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    seen = seen[seen[:, 2] > 1e-6 * scene.extent]
    pixels = seen[:, :2] / seen[:, 2:] * camera.focal + camera.center
    inside = ((pixels > 0) & (pixels < torch.stack([camera.width, camera.height]))).all(dim=1)
    if int(inside.sum()) >= _ENOUGH:
        return float(seen[inside, 2].median())
    focus = focus_point(scene.cameras.cam_from_world.double().cpu().numpy())
    if focus is not None:
        pose = camera.cam_from_world.double().cpu().numpy()
        ahead = float(pose[2, :3] @ focus + pose[2, 3])
        if ahead > 0.05 * scene.extent:
            return ahead
    return scene.extent
