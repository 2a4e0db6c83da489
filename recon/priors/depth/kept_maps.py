"""Depth maps of a scene, kept in a folder of a run: going on with it does not match its photos again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from recon.io.cache import content_key, fill_stage, has_stage
from recon.io.tensors import check_tensors, tensors_from, tensors_to_bytes
from recon.types import DepthMap, Reconstruction, Scene

__all__ = ["kept_maps"]

Maps = Mapping[int, DepthMap]
"""In world units, by the index of the view."""


def kept_maps(
    folder: Path, prior: object, scene: Scene, reconstruction: Reconstruction, make: Callable[[], Maps]
) -> Maps:
    """What `make` says, or said before of the same photos, masks, cameras, points and `prior` (a dataclass).

    Rounded to 16 bits the first time, too, so that both times are the same.
    """
    key = _key(prior, scene, reconstruction)
    if has_stage(folder, key):
        try:
            return _read(folder)
        except (OSError, ValueError):  # damaged: it is made again
            shutil.rmtree(folder)
    fill_stage(folder, key, lambda empty: _write(make(), empty))
    return _read(folder)


def _key(prior: object, scene: Scene, reconstruction: Reconstruction) -> str:
    views = sorted(reconstruction.views, key=lambda view: view.name)
    cameras = [getattr(scene.cameras, name) for name in ("cam_from_world", "focal", "center", "width", "height")]
    photos = [[view.name, view.path, view.mask] for view in (views[index] for index in scene.train)]
    return content_key(prior, photos, list(scene.train), [_digest(tensor) for tensor in (*cameras, scene.points.xyz)])


def _digest(tensor: Tensor) -> str:
    return hashlib.blake2b(tensor.cpu().contiguous().numpy().tobytes(), digest_size=16).hexdigest()


def _write(maps: Maps, folder: Path) -> None:
    for view, map in maps.items():
        confidence = (map.confidence * 255).round().clamp(0, 255).byte()
        data = tensors_to_bytes({"inverse": map.inverse.half(), "confidence": confidence})
        (folder / f"{view}.safetensors").write_bytes(data)


def _read(folder: Path) -> Maps:
    maps = {}
    for file in sorted(folder.glob("*.safetensors"), key=lambda file: int(file.stem)):
        kept = tensors_from(file.read_bytes())
        check_tensors(kept, {"inverse": (torch.float16, (None, None)), "confidence": (torch.uint8, (None, None))})
        maps[int(file.stem)] = DepthMap(kept["inverse"].float(), kept["confidence"].float() / 255, "scene")
    return maps
