"""Camera models as COLMAP defines them: where in the picture a direction is seen.

A direction is (x, y) with z = 1 in camera axes; pixels have their centres at .5. Distortion after Brown (1971) for
lenses, Kannala & Brandt (2006) for fisheyes, Devernay & Faugeras (2001) for FOV.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.types import Lens

__all__ = ["MODELS", "focal_and_center", "is_pinhole", "pixels_of", "scaled", "turned"]

MODELS: dict[str, tuple[int, tuple[str, ...]]] = {
    "SIMPLE_PINHOLE": (0, ("f", "cx", "cy")),
    "PINHOLE": (1, ("fx", "fy", "cx", "cy")),
    "SIMPLE_RADIAL": (2, ("f", "cx", "cy", "k1")),
    "RADIAL": (3, ("f", "cx", "cy", "k1", "k2")),
    "OPENCV": (4, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2")),
    "OPENCV_FISHEYE": (5, ("fx", "fy", "cx", "cy", "k1", "k2", "k3", "k4")),
    "FULL_OPENCV": (6, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")),
    "FOV": (7, ("fx", "fy", "cx", "cy", "omega")),
    "SIMPLE_RADIAL_FISHEYE": (8, ("f", "cx", "cy", "k1")),
    "RADIAL_FISHEYE": (9, ("f", "cx", "cy", "k1", "k2")),
    "THIN_PRISM_FISHEYE": (10, ("fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3", "k4", "sx1", "sy1")),
    "SIMPLE_FISHEYE": (14, ("f", "cx", "cy")),
    "FISHEYE": (15, ("fx", "fy", "cx", "cy")),
}
"""COLMAP's number and parameters of the models that recon can undistort."""

_IN_PIXELS = {"f": 2, "fx": 0, "fy": 1, "cx": 0, "cy": 1}  # scaled by: 0 width, 1 height, 2 both


def focal_and_center(lens: Lens) -> tuple[tuple[float, float], tuple[float, float]]:
    """((fx, fy), (cx, cy)) in pixels of the lens."""
    p = _named(lens)
    focal = (p["f"], p["f"]) if "f" in p else (p["fx"], p["fy"])
    return focal, (p["cx"], p["cy"])


def is_pinhole(lens: Lens) -> bool:
    """Is there nothing to undistort?"""
    if "FISHEYE" in lens.model:
        return False
    return all(value == 0 for name, value in _named(lens).items() if name not in _IN_PIXELS)


def pixels_of(lens: Lens, directions: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    """Where the lens shows directions."""
    focal, center = focal_and_center(lens)
    return _distorted(lens, directions) * np.array(focal) + np.array(center)


def scaled(lens: Lens, size: tuple[int, int]) -> Lens:
    """The same lens on a picture resized to `size`, which must be of the same shape within a hundredth (or a pixel)."""
    if size == (lens.width, lens.height):
        return lens
    across, down = size[0] / lens.width, size[1] / lens.height
    if abs(across / down - 1) > max(0.01, 1.5 / min(*size, lens.width, lens.height)):
        raise InputError(
            f"The picture has {size[0]} x {size[1]} pixels, its camera {lens.width} x {lens.height}.",
            advice="Use the pictures that the camera was calibrated on, or all of them scaled.",
        )
    factors = (across, down, (across * down) ** 0.5)
    params = (
        value * factors[_IN_PIXELS[name]] if name in _IN_PIXELS else value for name, value in _named(lens).items()
    )
    return Lens(lens.model, *size, tuple(params))


def turned(lens: Lens, quarter: int) -> Lens:
    """The lens after the picture was turned clockwise by that many quarter turns."""
    for _ in range(quarter % 4):
        p = _named(lens)
        if "sx1" in p:
            raise InputError(
                f"A picture with a {lens.model} camera is turned.", advice="Turn its pixels upright first."
            )
        p["cx"], p["cy"] = lens.height - p["cy"], p["cx"]
        if "fx" in p:
            p["fx"], p["fy"] = p["fy"], p["fx"]
        if "p1" in p:  # (p2, p1) is a vector in the picture
            p["p2"], p["p1"] = -p["p1"], p["p2"]
        lens = Lens(lens.model, lens.height, lens.width, tuple(p.values()))
    return lens


def _named(lens: Lens) -> dict[str, float]:
    if lens.model not in MODELS:
        raise InputError(
            f"Camera model {lens.model} cannot be undistorted.", advice="Undistort the photos with COLMAP."
        )
    return dict(zip(MODELS[lens.model][1], lens.params, strict=True))


def _distorted(lens: Lens, directions: Float[np.ndarray, "*n 2"]) -> Float[np.ndarray, "*n 2"]:
    p = {name: 0.0 for name in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2", "sx1", "sy1")} | _named(lens)
    if lens.model == "FOV":
        radius = np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)
        if abs(p["omega"]) < 1e-6:
            return directions
        return directions * np.arctan(radius * 2 * np.tan(p["omega"] / 2)) / (p["omega"] * radius)
    fisheye = "FISHEYE" in lens.model
    if fisheye:  # the radius becomes the angle
        radius = np.maximum(np.linalg.norm(directions, axis=-1, keepdims=True), 1e-9)
        directions = directions * np.arctan(radius) / radius
    x, y = directions[..., 0], directions[..., 1]
    r2 = x * x + y * y
    radial = 1 + r2 * (p["k1"] + r2 * (p["k2"] + r2 * (p["k3"] + (r2 * p["k4"] if fisheye else 0))))
    if lens.model == "FULL_OPENCV":
        radial = radial / (1 + r2 * (p["k4"] + r2 * (p["k5"] + r2 * p["k6"])))
    across = x * radial + 2 * p["p1"] * x * y + p["p2"] * (r2 + 2 * x * x) + p["sx1"] * r2
    down = y * radial + 2 * p["p2"] * x * y + p["p1"] * (r2 + 2 * y * y) + p["sy1"] * r2
    return np.stack([across, down], axis=-1)
