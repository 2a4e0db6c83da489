"""How the axes of a world lie in the programs people use, and the turn from one to another. numpy, double precision.

A frame's matrix takes COLMAP's axes to its own. Lengths are never changed: an Unreal file is in the scene's units, not
in centimetres. unity and unreal are left-handed, so the turn to them is a reflection.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

__all__ = ["FRAMES", "FrameName", "axes_of", "level", "up_of"]

FrameName = Literal["colmap", "opengl", "unity", "unreal", "blender"]
FRAMES: tuple[FrameName, ...] = get_args(FrameName)

_FROM_COLMAP: dict[FrameName, tuple[tuple[int, int, int], ...]] = {
    "colmap": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),  # x right, y down, z forward; the usual one of 3DGS files
    "opengl": ((1, 0, 0), (0, -1, 0), (0, 0, -1)),  # x right, y up, z back; three.js, glTF
    "unity": ((1, 0, 0), (0, -1, 0), (0, 0, 1)),  # x right, y up, z forward
    "unreal": ((0, 0, 1), (1, 0, 0), (0, -1, 0)),  # x forward, y right, z up
    "blender": ((1, 0, 0), (0, 0, 1), (0, -1, 0)),  # x right, y forward, z up
}
_SNAP = np.cos(np.radians(5.0))
"""An up vector this near to an axis is that axis: estimates of a level scene come out a little tilted."""


def axes_of(frame: FrameName) -> Float[np.ndarray, "3 3"]:
    """The frame's axes from COLMAP's."""
    return np.array(_FROM_COLMAP[frame], dtype=np.float64)


def up_of(frame: FrameName) -> Float[np.ndarray, "3"]:
    """Against gravity, in this frame."""
    return axes_of(frame) @ np.array([0.0, -1.0, 0.0])


def level(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 3"]:
    """The shortest rotation to COLMAP's axes of a right-handed world whose `up` is known; half turns are about x.

    For `up` +z or +y, that is the fixed turn from blender or opengl.
    """
    unit = up / np.linalg.norm(up)
    nearest = int(np.argmax(np.abs(unit)))
    if abs(unit[nearest]) >= _SNAP:
        unit = np.sign(unit[nearest]) * np.eye(3)[nearest]
    target = np.array([0.0, -1.0, 0.0])
    cosine = float(unit @ target)
    if cosine < -1 + 1e-12:
        return np.diag([1.0, -1.0, -1.0])
    axis = np.cross(unit, target)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.eye(3) + skew + skew @ skew / (1 + cosine)
