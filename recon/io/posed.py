"""What posed data a folder holds, so that photos whose poses are known are not posed again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recon.io.colmap import is_colmap, read_colmap
from recon.io.rgbd import Recording, is_recording, read_recording
from recon.io.transforms import is_transforms, read_transforms
from recon.types import Reconstruction

__all__ = ["Posed", "find_posed"]

_MODELS = (".", "sparse", "colmap/sparse", "colmap", "dense/sparse")


@dataclass(frozen=True)
class Posed:
    """Posed data on disk; `read` it when it is wanted."""

    kind: Literal["colmap", "transforms", "rgb-d"]
    path: Path
    """The model's folder, or the folder of the transforms or of the recording."""
    images: Path
    """Where its photos lie."""

    def read(self) -> Reconstruction:
        if self.kind == "rgb-d":
            return self._recording().reconstruction()
        return read_colmap(self.path, self.images) if self.kind == "colmap" else read_transforms(self.path)

    def __str__(self) -> str:
        if self.kind == "rgb-d":
            return str(self._recording())
        name = "a COLMAP model" if self.kind == "colmap" else "transforms.json"
        return f"{name} in {self.path}"

    def _recording(self) -> Recording:
        found = read_recording(self.path)
        assert found is not None
        return found.thinned()


def find_posed(folder: Path) -> Posed | None:
    """transforms*.json, a COLMAP model in its customary places inside `folder` (of several the largest), or what an
    RGB-D camera recorded."""
    if not folder.is_dir():
        return None
    if is_transforms(folder):
        return Posed("transforms", folder, folder)
    for place in _MODELS:
        models = [path for path in (folder / place, *sorted((folder / place).glob("[0-9]*"))) if is_colmap(path)]
        if len(models) > 0:
            images = folder / "images" if (folder / "images").is_dir() else folder
            return Posed("colmap", max(models, key=_size), images)
    return Posed("rgb-d", folder, folder) if is_recording(folder) else None


def _size(model: Path) -> int:
    return max((path.stat().st_size for path in model.glob("images.*")), default=0)
