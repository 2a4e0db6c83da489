"""Depth maps of a run's own views: 16-bit PNG in a folder, or one .npz. Lengths are those of the frame written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.export.views import picture_names
from recon.io.disk import whole
from recon.mesh.views import Progress, surface_of
from recon.types import Renderer, Scene

__all__ = ["export_depths"]

_LARGEST = 65535


def export_depths(model: Renderer, scene: Scene, path: Path, *, scale: float, progress: Progress) -> int:
    """One map for every view, 0 where there is no surface; their number. `scale` is output units in a world unit.

    In PNG, depths are multiples of the `unit` that `depth.json` beside them gives, the same for all.
    """
    maps = []
    for index in range(len(scene)):
        progress(index / len(scene), scene.names[index])
        maps.append(surface_of(model, scene.cameras[index]).depth.cpu().numpy().astype(np.float32) * np.float32(scale))
    with whole(path) as unfinished:
        if path.suffix.lower() == ".npz":
            with unfinished.open("wb") as file:
                np.savez_compressed(file, **dict(zip(scene.names, maps, strict=True)))
        else:
            _write_pictures(scene, maps, unfinished)
    return len(maps)


def _write_pictures(scene: Scene, maps: list[Float[np.ndarray, "h w"]], folder: Path) -> None:
    from PIL import Image

    unit = max((float(depth.max()) for depth in maps), default=0.0) / _LARGEST or 1.0
    names = picture_names(scene.names)
    for name, depth in zip(names, maps, strict=True):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((depth / unit).round().astype(np.uint16)).save(folder / name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "depth.json").write_text(json.dumps({"unit": unit, "maps": names}, indent=1))
