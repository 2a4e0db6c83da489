"""The frame of our own models: gravity along +y, as viewers of splats expect it, and the scene around the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from recon.geometry import average_up, camera_positions

if TYPE_CHECKING:
    import pycolmap

__all__ = ["UP", "poses_of", "set_upright"]

UP = (0.0, -1.0, 0.0)


def set_upright(model: pycolmap.Reconstruction) -> None:
    """Turn the model so that up is -y and the cameras look along +z on average; centre it on points and cameras."""
    import pycolmap

    cam_from_old = poses_of(model)[1]
    rotation = upright_rotation(average_up(cam_from_old), cam_from_old[:, 2, :3].sum(axis=0))
    points = np.array([point.xyz for point in model.points3D.values()]).reshape(-1, 3)
    center = np.median(np.concatenate([points, camera_positions(cam_from_old)]), axis=0)
    new_from_old = pycolmap.Sim3d(np.concatenate([rotation, -(rotation @ center)[:, None]], axis=1))
    model.transform(new_from_old)


def upright_rotation(up: Float[np.ndarray, "3"], forward: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """Takes `up` to -y and the level part of `forward` to +z."""
    down = -up / np.linalg.norm(up)
    level = forward - down * (forward @ down)
    if np.linalg.norm(level) < 1e-6 * max(float(np.linalg.norm(forward)), 1e-12):  # looks along gravity
        axis = np.eye(3)[np.argmin(np.abs(down))]
        level = axis - down * (axis @ down)
    level = level / np.linalg.norm(level)
    return np.stack([np.cross(down, level), down, level])


def poses_of(model: pycolmap.Reconstruction) -> tuple[list[int], Float[np.ndarray, "n 4 4"]]:
    """Ids of the images that were placed, by name, and their cam_from_world."""
    ids = sorted(model.reg_image_ids(), key=lambda number: model.image(number).name)
    poses = np.tile(np.eye(4), (len(ids), 1, 1))
    for pose, number in zip(poses, ids, strict=True):
        pose[:3] = model.image(number).cam_from_world().matrix()
    return ids, poses
