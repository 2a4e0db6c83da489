"""Rotations, similarity transforms and what a set of cameras has in common. numpy, double precision.

A similarity is a 4x4 matrix `[s R, t; 0 1]`; rigid transforms are similarities with s = 1. Compose them with `@`.
Quaternions are `wxyz`; camera axes are +x right, +y down, +z forward.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

__all__ = [
    "average_up",
    "camera_positions",
    "focus_point",
    "invert_similarity",
    "look_at",
    "quaternion_from_rotation",
    "rotation_from_quaternion",
    "scale_of",
    "similarity",
    "transform_points",
]


def rotation_from_quaternion(quaternion: Float[np.ndarray, "*n 4"]) -> Float[np.ndarray, "*n 3 3"]:
    """Rotation of a quaternion of any length but zero."""
    w, x, y, z = np.moveaxis(quaternion / np.linalg.norm(quaternion, axis=-1, keepdims=True), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def quaternion_from_rotation(rotation: Float[np.ndarray, "*n 3 3"]) -> Float[np.ndarray, "*n 4"]:
    """The unit quaternion with w >= 0, stable for every angle. Source: Bar-Itzhack 2000, dominant eigenvector."""
    m = rotation
    trace = m[..., 0, 0] + m[..., 1, 1] + m[..., 2, 2]
    k = np.empty((*m.shape[:-2], 4, 4))
    k[..., 0, 0] = trace
    k[..., 1:, 1:] = m + np.swapaxes(m, -1, -2) - trace[..., None, None] * np.eye(3)
    for axis in range(3):
        i, j = (axis + 2) % 3, (axis + 1) % 3
        k[..., 0, axis + 1] = k[..., axis + 1, 0] = m[..., i, j] - m[..., j, i]
    quaternion = np.linalg.eigh(k)[1][..., -1]
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def similarity(
    scale: float = 1.0,
    rotation: Float[np.ndarray, "3 3"] | None = None,
    translation: Float[np.ndarray, "3"] | None = None,
) -> Float[np.ndarray, "4 4"]:
    b_from_a = np.eye(4)
    b_from_a[:3, :3] = scale * (np.eye(3) if rotation is None else rotation)
    b_from_a[:3, 3] = 0 if translation is None else translation
    return b_from_a


def scale_of(b_from_a: Float[np.ndarray, "4 4"]) -> float:
    return float(np.cbrt(np.linalg.det(b_from_a[:3, :3])))


def invert_similarity(b_from_a: Float[np.ndarray, "*n 4 4"]) -> Float[np.ndarray, "*n 4 4"]:
    """The inverse, exact for rigid transforms in that the rotation is transposed, not solved for."""
    block = b_from_a[..., :3, :3]
    square = np.cbrt(np.linalg.det(block)) ** 2
    a_from_b = np.broadcast_to(np.eye(4), b_from_a.shape).copy()
    a_from_b[..., :3, :3] = np.swapaxes(block, -1, -2) / square[..., None, None]
    a_from_b[..., :3, 3] = -np.einsum("...ij,...j->...i", a_from_b[..., :3, :3], b_from_a[..., :3, 3])
    return a_from_b


def transform_points(
    b_from_a: Float[np.ndarray, "4 4"], points: Float[np.ndarray, "*n 3"]
) -> Float[np.ndarray, "*n 3"]:
    return points @ b_from_a[:3, :3].T + b_from_a[:3, 3]


def look_at(
    position: Float[np.ndarray, "3"], target: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "4 4"]:
    """`cam_from_world` of a camera at `position` that sees `target` in the middle and `up` pointing up."""
    forward = _unit(target - position)
    right = np.cross(forward, up)
    if np.linalg.norm(right) < 1e-6 * np.linalg.norm(up):  # looking along up: any right will do
        right = np.cross(forward, np.eye(3)[np.argmin(np.abs(forward))])
    right = _unit(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    return similarity(1.0, rotation, -rotation @ position)


def camera_positions(cam_from_world: Float[np.ndarray, "*n 4 4"]) -> Float[np.ndarray, "*n 3"]:
    return -np.einsum("...ji,...j->...i", cam_from_world[..., :3, :3], cam_from_world[..., :3, 3])


def focus_point(cam_from_world: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "3"] | None:
    """The point nearest to the optical axes, in the least squares sense, three times reweighted against outliers.

    None when the axes do not say: one camera, (nearly) parallel axes, or axes that meet behind most cameras.
    """
    position, forward = camera_positions(cam_from_world), cam_from_world[:, 2, :3]
    across = np.eye(3) - forward[:, :, None] * forward[:, None, :]
    weight = np.ones(len(position))
    point = np.zeros(3)
    for _ in range(4):
        normal = np.einsum("n,nij->ij", weight, across)
        if np.linalg.eigvalsh(normal)[0] < 1e-3 * weight.sum():  # axes within about two degrees of each other
            return None
        point = np.linalg.solve(normal, np.einsum("n,nij,nj->i", weight, across, position))
        distance = np.linalg.norm(np.einsum("nij,nj->ni", across, point - position), axis=-1)
        weight = 1 / np.maximum(distance, 0.1 * np.median(distance) + 1e-9)
    ahead = np.einsum("ni,ni->n", point - position, forward) > 0
    return point if ahead.mean() > 0.5 else None


def average_up(cam_from_world: Float[np.ndarray, "n 4 4"]) -> Float[np.ndarray, "3"]:
    """Unit vector against gravity, supposing that people hold cameras level or turned by quarter turns.

    The mean of the cameras' own up vectors tilts with them when all look down, so the direction perpendicular to their
    horizontal axes takes over where these point different ways enough to define it.
    """
    axes = cam_from_world[:, :2, :3]  # right and down
    up = -axes[:, 1].sum(axis=0)
    up = _unit(up) if np.linalg.norm(up) > 1e-3 * len(axes) else -axes[0, 1]
    for _ in range(3):
        level = axes[np.arange(len(axes)), np.argmin(np.abs(axes @ up), axis=1)]  # each camera's horizontal axis
        spread, directions = np.linalg.eigh(np.einsum("ni,nj->ij", level, level) / len(axes))
        better = directions[:, 0] * np.sign(directions[:, 0] @ up)
        if spread[1] < 0.02 or spread[0] > 0.3 * spread[1] or better @ up < 0.6:
            return up
        up = better
    return up


def _unit(vector: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)
