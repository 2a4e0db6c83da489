"""Depth that a sensor measured, from files named after the photos."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.io.depth_file import DEPTH_ENDINGS, find_depth, read_depth
from recon.io.undistort import Pinhole, sample_nearest
from recon.priors.protocols import DepthMap, Progress
from recon.types import Cameras, Lens, Reconstruction, Scene

__all__ = ["SensorDepth"]


@dataclass(frozen=True)
class SensorDepth:
    """A `DepthPrior`. Maps are as distorted as their photos, at any resolution of the same shape."""

    folder: Path
    lenses: Mapping[str, Lens]
    """By the name of the photo."""

    @classmethod
    def of(cls, folder: Path | None, reconstruction: Reconstruction) -> SensorDepth:
        if folder is None:
            raise InputError("--depth sensor does not know where its maps are.", advice="Add --depth-from DIR.")
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder of depth maps.", advice="Pass one with a map for every photo.")
        return cls(folder, {view.name: view.lens for view in reconstruction.views})

    def predict(self, scene: Scene, views: Sequence[int], progress: Progress) -> Iterator[DepthMap]:
        paths = [self._file_of(scene.names[view]) for view in views]  # all of them, before the first is read
        for done, (view, path) in enumerate(zip(views, paths, strict=True)):
            progress(done / len(views), scene.names[view])
            yield self._read(path, self.lenses[scene.names[view]], scene.cameras[view])

    def _file_of(self, name: str) -> Path:
        path = find_depth(self.folder, name)
        if path is None:
            endings = " or ".join(DEPTH_ENDINGS)
            raise InputError(
                f"{self.folder} has no depth map of {name}.",
                advice=f"Add {PurePosixPath(name).stem} with the ending {endings}.",
            )
        return path

    def _read(self, path: Path, lens: Lens, camera: Cameras) -> DepthMap:
        depth = torch.from_numpy(read_depth(path))
        _check_shape(depth, lens, path)
        width, height = int(camera.width), int(camera.height)
        focal, center = camera.focal.tolist(), camera.center.tolist()
        seen = sample_nearest(depth, lens, Pinhole(width, height, (focal[0], focal[1]), (center[0], center[1])))
        measured = seen > 0
        return DepthMap(torch.where(measured, 1 / torch.where(measured, seen, 1), 0), measured.float(), "metric")


def _check_shape(depth: Float[Tensor, "h w"], lens: Lens, path: Path) -> None:
    height, width = depth.shape
    if abs(width * lens.height / (height * lens.width) - 1) > 0.02:
        raise InputError(
            f"{path} has {width} x {height} pixels, and its photo {lens.width} x {lens.height}: another shape.",
            advice="Register the depth to the photo first.",
        )
