"""A camera that travels smoothly, at constant speed, through given poses. numpy, double precision; any frame.

Speed is that of the picture: a metre closer to the scene counts as much as a turn by its angle as seen from there. So
lengths are measured in `depth`, the typical distance of what is seen, and turns in radians.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from recon.geometry import camera_positions

__all__ = ["Poses", "shortest_order", "smoothed", "steps_between", "through"]

Poses = Float[np.ndarray, "_ 4 4"]
"""`cam_from_world` of each."""

_SAMPLES = 32
"""Between two poses, where speed is evened out."""
_DETOUR = 1.5
"""An order is kept as long as it is not so many times longer than one that always goes to the nearest."""


def steps_between(poses: Poses, others: Poses, depth: float) -> Float[np.ndarray, "_"]:
    """How much the picture changes from each pose to its other."""
    moved = np.linalg.norm(camera_positions(poses) - camera_positions(others), axis=-1) / depth
    cosine = (np.einsum("nij,nij->n", poses[:, :3, :3], others[:, :3, :3]) - 1) / 2
    return moved + np.arccos(np.clip(cosine, -1, 1))


def through(
    poses: Poses, values: Float[np.ndarray, "_"], frames: int, depth: float
) -> tuple[Poses, Float[np.ndarray, "_"]]:
    """`frames` poses from the first to the last, and `values` on the way. Cubic splines; poses that repeat count once.

    Source: cumulative chord lengths as parameters (Lee 1989); rotations as in `scipy`'s RotationSpline.
    """
    from scipy.interpolate import CubicSpline, PchipInterpolator
    from scipy.spatial.transform import Rotation, RotationSpline

    steps = steps_between(poses[:-1], poses[1:], depth)
    kept = np.concatenate([[True], steps > 1e-9])
    poses, values = poses[kept], values[kept]
    if len(poses) == 1:
        return np.repeat(poses, frames, axis=0), np.repeat(values, frames)
    at = np.concatenate([[0], np.cumsum(steps[kept[1:]])])
    place = CubicSpline(at, camera_positions(poses), bc_type="natural")
    turn = RotationSpline(at, Rotation.from_matrix(poses[:, :3, :3]))
    value = PchipInterpolator(at, values)

    def sampled(times: Float[np.ndarray, "_"]) -> Poses:
        out = np.tile(np.eye(4), (len(times), 1, 1))
        out[:, :3, :3] = turn(times).as_matrix()
        out[:, :3, 3] = -np.einsum("tij,tj->ti", out[:, :3, :3], place(times))
        return out

    fine = np.interp(np.arange((len(at) - 1) * _SAMPLES + 1) / _SAMPLES, np.arange(len(at)), at)
    dense = sampled(fine)
    travelled = np.concatenate([[0], np.cumsum(steps_between(dense[:-1], dense[1:], depth))])
    times = np.interp(np.linspace(0, travelled[-1], frames), travelled, fine)
    return sampled(times), value(times)


def smoothed(poses: Poses, depth: float, *, neighbours: float = 2.5) -> Poses:
    """Without the trembling of a hand: means over so many neighbours along the way, weighted by a Gaussian."""
    from scipy.spatial.transform import Rotation

    if len(poses) < 3:
        return poses
    steps = steps_between(poses[:-1], poses[1:], depth)
    at = np.concatenate([[0], np.cumsum(steps)])
    width = max(neighbours * float(np.median(steps)), 1e-9)
    positions, turns = camera_positions(poses), Rotation.from_matrix(poses[:, :3, :3])
    out = np.tile(np.eye(4), (len(poses), 1, 1))
    for index in range(len(poses)):
        reach = min(at[index], at[-1] - at[index])  # as far on both sides, so that the ends stay where they are
        weights = np.exp(-0.5 * ((at - at[index]) / width) ** 2) * (np.abs(at - at[index]) <= reach + 1e-12)
        out[index, :3, :3] = turns.mean(weights).as_matrix()
        out[index, :3, 3] = -out[index, :3, :3] @ (weights @ positions / weights.sum())
    return out


def shortest_order(poses: Poses, depth: float) -> Int[np.ndarray, "_"]:
    """The order given, as that of a walk or a video; where it jumps about, always on to the nearest that is left."""
    walked = steps_between(poses[:-1], poses[1:], depth).sum()
    order, left = [0], set(range(1, len(poses)))
    length = 0.0
    while left:
        rest = np.array(sorted(left))
        steps = steps_between(np.repeat(poses[order[-1:]], len(rest), axis=0), poses[rest], depth)
        nearest = int(np.argmin(steps))
        length += float(steps[nearest])
        order.append(int(rest[nearest]))
        left.remove(order[-1])
    return np.arange(len(poses)) if walked <= _DETOUR * length else np.array(order)
