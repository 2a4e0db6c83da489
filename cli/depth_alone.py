"""Depth of photos that have no poses: each is looked at by itself, and its depth lacks a scale and a shift."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from recon.cli.console import Console
from recon.cli.depth_files import write_depth, write_relative
from recon.errors import InputError
from recon.io.disk import whole
from recon.io.scene import load_scene
from recon.priors.depth import DepthName, depth_prior
from recon.types import Capture, Lens, Photo, Points, Reconstruction, Scene, View

__all__ = ["SEES_ONE_PHOTO", "ToSee", "depth_alone"]

SEES_ONE_PHOTO: tuple[DepthName, ...] = ("monocular", "pretrained")
"""Methods that need no poses."""
_FOCAL = 1.2
"""Of the longer side, where no EXIF says it: networks are not told, so nothing hangs on it."""


@runtime_checkable
class ToSee(Protocol):
    """Options of depth without poses."""

    @property
    def output(self) -> Path: ...
    @property
    def depth_from(self) -> Path | None: ...
    @property
    def image_size(self) -> int | None: ...
    @property
    def truth(self) -> Path | None: ...


def depth_alone(options: ToSee, method: DepthName, capture: Capture, console: Console) -> dict[str, Any]:
    """Write a map for every photo: metres where a network knows them, else inverse depth in no unit."""
    if options.truth is not None:
        raise InputError(
            "Depth of photos without poses is relative, and nothing can be compared with --truth.",
            advice="Leave out --truth, or give poses: --colmap MODEL.",
        )
    nothing = Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8))
    unposed = Reconstruction(tuple(_view(photo) for photo in capture.photos), nothing)
    prior = depth_prior(method, unposed, source=options.depth_from)
    scene: Scene = replace(load_scene(unposed, image_size=options.image_size, hold_out=0), points=nothing)
    photos: list[dict[str, Any]] = []
    with console.stage("depth") as stage, whole(options.output) as unfinished:
        unfinished.mkdir()
        for name, map in zip(scene.names, prior.predict(scene, range(len(scene)), stage.progress), strict=True):
            metric = map.kind == "metric"
            files = write_depth(unfinished, name, map, scale=1.0) if metric else write_relative(unfinished, name, map)
            photos.append({"name": name, "kind": map.kind, **files, "known": float(map.known.float().mean())})
        known = sum(photo["known"] for photo in photos) / len(photos)
        summary = {"method": method, "kind": photos[0]["kind"], "reference": None, "known": known}
        (unfinished / "depth.json").write_text(json.dumps(summary | {"photos": photos}, indent=1))
        stage.result = f"{len(photos)} maps in {options.output}"
    return {"output": str(options.output), "maps": len(photos), **summary}


def _view(photo: Photo) -> View:
    """As if it stood in the origin."""
    focal = photo.focal or _FOCAL * max(photo.width, photo.height)
    lens = Lens("SIMPLE_PINHOLE", photo.width, photo.height, (focal, photo.width / 2, photo.height / 2))
    return View(photo.name, photo.path, lens, np.eye(4), mask=photo.mask)
