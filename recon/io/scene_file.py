"""A scene and the posed photos behind it, kept in a run: a trained run opens without structure from motion.

`scene.json` has names, paths, lenses and poses (numbers written so that they read back exactly), and the split;
`tensors.safetensors` has the cameras as trained on and the points. The photos themselves stay where they are.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from recon.errors import RunError
from recon.io.disk import unwritable
from recon.types import Cameras, LeftOut, Lens, Picture, Points, Reconstruction, Scene, View

__all__ = ["missing_photos", "read_reconstruction", "read_scene", "with_photos_in", "write_scene"]

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
    from safetensors.torch import save

    described = {
        "names": scene.names,
        "train": scene.train,
        "test": scene.test,
        "views": [_plain_view(view) for view in reconstruction.views],
        "left_out": [asdict(item) for item in reconstruction.left_out],
        "up": None if reconstruction.up is None else reconstruction.up.tolist(),
        "mean_track_length": reconstruction.mean_track_length,
        "mean_reprojection_error": reconstruction.mean_reprojection_error,
    }
    tensors = {name: getattr(scene.cameras, name) for name in _CAMERA_FIELDS}
    tensors |= {"points": scene.points.xyz, "points_rgb": scene.points.rgb}
    tensors |= {"input_points": reconstruction.points.xyz, "input_points_rgb": reconstruction.points.rgb}
    tensors |= {"input_from_world": scene.input_from_world, "up": scene.up}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        data = save({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()})
        (folder / "tensors.safetensors").write_bytes(data)
        (folder / "scene.json").write_text(json.dumps(described), encoding="utf-8")
    except OSError as error:
        raise unwritable(folder, error) from error


def read_scene(folder: Path) -> Scene:
    """The scene as it was trained on, without pictures: asking for one raises `RunError`."""
    described, tensors = _read(folder)
    return Scene(
        names=tuple(described["names"]),
        cameras=Cameras(*(tensors[name] for name in _CAMERA_FIELDS)),
        images=_AbsentPictures(len(described["names"])),
        points=Points(tensors["points"], tensors["points_rgb"]),
        train=tuple(described["train"]),
        test=tuple(described["test"]),
        input_from_world=tensors["input_from_world"],
        up=tensors["up"],
    )


def read_reconstruction(folder: Path) -> Reconstruction:
    """The posed photos the scene was made from."""
    described, tensors = _read(folder)
    return Reconstruction(
        views=tuple(_view(plain) for plain in described["views"]),
        points=Points(tensors["input_points"], tensors["input_points_rgb"]),
        left_out=tuple(LeftOut(**item) for item in described["left_out"]),
        up=None if described["up"] is None else np.array(described["up"]),
        mean_track_length=described["mean_track_length"],
        mean_reprojection_error=described["mean_reprojection_error"],
    )


def with_photos_in(reconstruction: Reconstruction, folder: Path) -> Reconstruction:
    """The same views with their photos looked for in another folder: under their names, else under base names.

    Base names count only where no two views share one.
    """
    shared = Counter(PurePosixPath(view.name).name for view in reconstruction.views)

    def place(view: View) -> Path:
        base = PurePosixPath(view.name).name
        flat = shared[base] == 1 and not (folder / view.name).is_file() and (folder / base).is_file()
        return folder / (base if flat else view.name)

    return replace(reconstruction, views=tuple(replace(view, path=place(view)) for view in reconstruction.views))


def missing_photos(reconstruction: Reconstruction) -> tuple[str, ...]:
    """Names of the photos that are no longer where they were."""
    return tuple(view.name for view in reconstruction.views if not view.path.is_file())


def _plain_view(view: View) -> dict[str, Any]:
    return {
        "name": view.name,
        "path": str(view.path.absolute()),
        "lens": asdict(view.lens),
        "cam_from_input": view.cam_from_input.tolist(),
        "split": view.split,
        "mask": None if view.mask is None else str(view.mask.absolute()),
    }


def _view(plain: dict[str, Any]) -> View:
    lens = Lens(**(plain["lens"] | {"params": tuple(plain["lens"]["params"])}))
    mask = None if plain["mask"] is None else Path(plain["mask"])
    pose = np.array(plain["cam_from_input"], dtype=np.float64)
    return View(plain["name"], Path(plain["path"]), lens, pose, plain["split"], mask)


def _read(folder: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        described = json.loads((folder / "scene.json").read_text(encoding="utf-8"))
        return described, load((folder / "tensors.safetensors").read_bytes())
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(
            f"{folder} does not hold a whole scene: {error}.", advice="Train again; recon train --overwrite."
        ) from error
