"""Intrinsics as transforms.json writes them, of one frame or of all of them, to a `Lens`."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping

from recon.errors import InputError
from recon.io.lens import scaled
from recon.types import Lens

__all__ = ["read_lens"]

_MODELS = {"PINHOLE": "OPENCV", "SIMPLE_PINHOLE": "OPENCV", "SIMPLE_RADIAL": "OPENCV", "RADIAL": "OPENCV"}
_MODELS |= {"OPENCV": "OPENCV", "PERSPECTIVE": "OPENCV", "FULL_OPENCV": "FULL_OPENCV"}
_MODELS |= {"OPENCV_FISHEYE": "OPENCV_FISHEYE", "FISHEYE": "OPENCV_FISHEYE"}

_LARGEST = 1e9
"""Pixels, radians or coefficients."""


def read_lens(frame: Mapping[str, object], everywhere: Mapping[str, object], size: tuple[int, int]) -> Lens:
    """The lens of a frame whose picture has this size; what the frame does not say holds `everywhere`.

    Focal lengths come from fl_x, fl_y or else from camera_angle_x, camera_angle_y; the centre is the middle unless
    given. Numbers are in pixels of w x h, which may differ from the picture by a scale.
    """
    keys = dict(everywhere) | dict(frame)
    width, height = int(_number(keys, "w", float(size[0]))), int(_number(keys, "h", float(size[1])))
    if width < 1 or height < 1:
        raise InputError(f"The camera's size is {width} x {height}.", advice="Correct w and h.")
    focal = _focal(keys, width, height)
    center = _number(keys, "cx", width / 2), _number(keys, "cy", height / 2)
    model = _model(keys)
    k1, k2, k3, k4 = (_number(keys, name, 0.0) for name in ("k1", "k2", "k3", "k4"))
    p1, p2 = _number(keys, "p1", 0.0), _number(keys, "p2", 0.0)
    if model == "OPENCV_FISHEYE":
        return scaled(Lens(model, width, height, (*focal, *center, k1, k2, k3, k4)), size)
    if model == "OPENCV" and k4 != 0:
        raise InputError("The camera has a k4, which OPENCV has not.", advice="Set camera_model to what it is.")
    if model == "FULL_OPENCV" or k3 != 0:
        k5, k6 = _number(keys, "k5", 0.0), _number(keys, "k6", 0.0)
        return scaled(Lens("FULL_OPENCV", width, height, (*focal, *center, k1, k2, p1, p2, k3, k4, k5, k6)), size)
    return scaled(Lens("OPENCV", width, height, (*focal, *center, k1, k2, p1, p2)), size)


def _focal(keys: Mapping[str, object], width: int, height: int) -> tuple[float, float]:
    across, down = _one_focal(keys, "fl_x", "camera_angle_x", width), _one_focal(keys, "fl_y", "camera_angle_y", height)
    if across is None and down is None:
        raise InputError(
            "The cameras have no focal length.", advice="Add fl_x (pixels) or camera_angle_x (radians) to the file."
        )
    if across is None:
        return (down, down) if down is not None else (0.0, 0.0)
    if down is None or ("fl_x" in keys and "fl_y" not in keys):  # square pixels rather than a rounded angle
        return across, across
    return across, down


def _one_focal(keys: Mapping[str, object], name: str, angle: str, side: int) -> float | None:
    if name in keys:
        focal = _number(keys, name, 0.0)
    elif angle in keys:
        radians = _number(keys, angle, 0.0)
        focal = side / 2 / math.tan(radians / 2) if 0 < radians < math.pi else -1.0
        name = angle
    else:
        return None
    if focal <= 0:
        raise InputError(f"{name} is {keys[name]}, which no camera has.", advice=f"Correct {name}.")
    return focal


def _model(keys: Mapping[str, object]) -> str:
    if keys.get("is_fisheye") is True:
        return "OPENCV_FISHEYE"
    name = str(keys.get("camera_model", "OPENCV")).upper()
    if name not in _MODELS:
        raise InputError(f"camera_model {name} cannot be undistorted.", advice="Undistort the photos first.")
    return _MODELS[name]


def _number(keys: Mapping[str, object], name: str, otherwise: float) -> float:
    value = keys.get(name, otherwise)
    if isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST:  # no NaN
        return float(value)
    raise InputError(
        f"{name} is {reprlib.repr(value)}, not a number of at most {_LARGEST:g}.", advice=f"Correct {name}."
    )
