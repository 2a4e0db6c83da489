"""A scene and the posed photos behind it, kept in a run: a trained run opens without structure from motion.

`scene.json` has names, paths, lenses and poses (numbers written so that they read back exactly), and the split;
`tensors.safetensors` has the cameras as trained on and the points. The photos themselves stay where they are.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.errors import RunError
from recon.io.described import Described, KeptView, check_described, check_numbers
from recon.io.disk import cause_of, unwritable, write_whole
from recon.io.parsing import parse_json
from recon.io.settings import from_plain
from recon.io.tensors import tensors_from, tensors_to_bytes
from recon.types import Cameras, Picture, Points, Reconstruction, Scene, View

__all__ = ["read_reconstruction", "read_scene", "write_scene"]

_AGAIN = "Put the file back as it was, or train again: recon train --overwrite."

_CAMERA_FIELDS = ("cam_from_world", "focal", "center", "width", "height")


class _AbsentPictures:
    """The pictures of a scene opened without its photos."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Picture:
        raise RunError("This scene was opened without its photos.", advice="Pass the folder they are in now, --images.")


def write_scene(folder: Path, reconstruction: Reconstruction, scene: Scene) -> None:
    """Keep all that a run needs of its scene but the pictures, so that it can be opened without the photos."""
    described = {
        "names": scene.names,
        "train": scene.train,
        "test": scene.test,
        "transparent": scene.transparent,
        "views": [_plain_view(view) for view in reconstruction.views],
        "left_out": [asdict(item) for item in reconstruction.left_out],
        "up": None if reconstruction.up is None else reconstruction.up.tolist(),
        "mean_track_length": reconstruction.mean_track_length,
        "mean_reprojection_error": reconstruction.mean_reprojection_error,
    }
    tensors = {name: getattr(scene.cameras, name) for name in _CAMERA_FIELDS}
    tensors |= {"points": scene.points.xyz, "points_rgb": scene.points.rgb}
    tensors |= {"input_points": reconstruction.points.xyz, "input_points_rgb": reconstruction.points.rgb}
    if reconstruction.points.error is not None:
        tensors["input_points_error"] = reconstruction.points.error
    tensors |= {"input_from_world": scene.input_from_world, "up": scene.up}
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    write_whole(
        folder / "tensors.safetensors", tensors_to_bytes({name: tensor.clone() for name, tensor in tensors.items()})
    )
    write_whole(folder / "scene.json", json.dumps(described).encode())


def read_scene(folder: Path) -> Scene:
    """The scene as it was trained on, without pictures: asking for one raises `RunError`."""
    described, tensors = _read(folder)
    return Scene(
        names=described.names,
        cameras=Cameras(*(tensors[name] for name in _CAMERA_FIELDS)),
        images=_AbsentPictures(len(described.names)),
        points=Points(tensors["points"], tensors["points_rgb"]),
        train=described.train,
        test=described.test,
        input_from_world=tensors["input_from_world"],
        up=tensors["up"],
        transparent=described.transparent,
    )


def read_reconstruction(folder: Path) -> Reconstruction:
    """The posed photos the scene was made from."""
    described, tensors = _read(folder)
    return Reconstruction(
        views=tuple(_view(kept) for kept in described.views),
        points=Points(tensors["input_points"], tensors["input_points_rgb"], tensors.get("input_points_error")),
        left_out=described.left_out,
        up=None if described.up is None else np.array(described.up),
        mean_track_length=described.mean_track_length,
        mean_reprojection_error=described.mean_reprojection_error,
    )


def _plain_view(view: View) -> dict[str, Any]:
    return {
        "name": view.name,
        "path": str(view.path.absolute()),
        "lens": asdict(view.lens),
        "cam_from_input": view.cam_from_input.tolist(),
        "split": view.split,
        "mask": None if view.mask is None else str(view.mask.absolute()),
    }


def _view(kept: KeptView) -> View:
    pose = np.array(kept.cam_from_input, dtype=np.float64)
    return View(kept.name, kept.path, kept.lens, pose, kept.split, kept.mask)


def _read(folder: Path) -> tuple[Described, dict[str, torch.Tensor]]:
    file = folder / "scene.json"
    try:
        plain = parse_json(file.read_text(encoding="utf-8"))
        described = from_plain(Described, plain, where=f"{file} is not whole: it")
        check_described(described)
        file = folder / "tensors.safetensors"
        tensors = tensors_from(file.read_bytes())
        check_numbers(tensors, views=len(described.names))
    except OSError as error:
        raise RunError(f"{file} cannot be read: {cause_of(error)}.", advice=_AGAIN) from error
    except ValueError as error:
        raise RunError(f"{file} is not whole: {error}.", advice=_AGAIN) from error
    return described, tensors
