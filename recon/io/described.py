"""What the files of a run's scene say, typed, and whether a scene can be made of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from recon.errors import InputError
from recon.io.decode import LARGEST
from recon.io.lens import focal_and_center
from recon.io.tensors import check_tensors
from recon.types import LeftOut, Lens

__all__ = ["Described", "KeptView", "check_described", "check_numbers"]

_Row = tuple[float, float, float, float]


@dataclass(frozen=True)
class KeptView:
    """A `View` as JSON holds it."""

    name: str
    path: Path
    lens: Lens
    cam_from_input: tuple[_Row, _Row, _Row, _Row]
    split: Literal["train", "test"] | None
    mask: Path | None


@dataclass(frozen=True)
class Described:
    """scene.json."""

    names: tuple[str, ...]
    train: tuple[int, ...]
    test: tuple[int, ...]
    views: tuple[KeptView, ...]
    left_out: tuple[LeftOut, ...]
    up: tuple[float, float, float] | None
    mean_track_length: float | None
    mean_reprojection_error: float | None
    transparent: bool = False


def check_described(described: Described) -> None:
    """Raise `ValueError` that says what no scene can be made of, where the types do not say it."""
    views = len(described.names)
    if views == 0 or sorted(view.name for view in described.views) != sorted(described.names):
        raise ValueError("names and views do not agree")
    if "" in described.names:
        raise ValueError("a name is empty")
    if len(described.train) == 0 or not all(0 <= index < views for index in described.train + described.test):
        raise ValueError("train and test are not indices of views")
    for view in described.views:
        try:
            (fx, fy), _ = focal_and_center(view.lens)
        except (InputError, ValueError) as error:
            raise ValueError(f"the lens of {view.name} cannot be used") from error
        if not np.isfinite((*view.lens.params, *np.ravel(view.cam_from_input))).all() or min(fx, fy) <= 0:
            raise ValueError(f"lens and pose of {view.name} are not finite")
        if min(view.lens.width, view.lens.height) < 1 or view.lens.width * view.lens.height > LARGEST:
            raise ValueError(f"{view.name} is {view.lens.width} x {view.lens.height} pixels large")


def check_numbers(tensors: dict[str, torch.Tensor], *, views: int) -> None:
    """Raise `ValueError` where the tensors are not those of a scene of so many views."""
    real, byte, whole = torch.float32, torch.uint8, torch.int64
    cameras = {"cam_from_world": (real, (views, 4, 4)), "focal": (real, (views, 2)), "center": (real, (views, 2))}
    sizes = {"width": (whole, (views,)), "height": (whole, (views,))}
    colours = {"points_rgb": (byte, (None, 3)), "input_points_rgb": (byte, (None, 3))}
    frame = {"input_from_world": (real, (4, 4)), "up": (real, (3,))}
    check_tensors(tensors, cameras | sizes | colours | frame)
    double = "input_points" in tensors and tensors["input_points"].dtype == torch.float64  # as files give them
    input_points = (torch.float64 if double else real, (len(tensors["input_points_rgb"]), 3))
    check_tensors(tensors, {"points": (real, (len(tensors["points_rgb"]), 3)), "input_points": input_points})
    if "input_points_error" in tensors:
        check_tensors(tensors, {"input_points_error": (real, (len(tensors["input_points_rgb"]),))})
    for name in (*cameras, *frame):
        if not bool(tensors[name].isfinite().all()):
            raise ValueError(f"{name} is not finite")
    area = tensors["width"].double() * tensors["height"].double()
    if not bool(((tensors["width"] > 0) & (tensors["height"] > 0) & (area <= LARGEST)).all()):
        raise ValueError("width and height are no sizes of pictures")
    if not bool((tensors["focal"] > 0).all()) or float(tensors["input_from_world"][0, 0]) <= 0:
        raise ValueError("focal and input_from_world are not positive")
    if not 0.99 < float(tensors["up"].norm()) < 1.01:
        raise ValueError("up is no direction")
