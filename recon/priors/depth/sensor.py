"""Depth that a sensor measured: files named after the photos, or those of an RGB-D camera's recording."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.geometry import invert_similarity
from recon.io.depth_file import DEPTH_ENDINGS, MILLIMETRES, find_depth, read_depth
from recon.io.depth_sampling import inverse_seen
from recon.io.rgbd import DepthFile, Recording, read_recording
from recon.io.undistort import Pinhole
from recon.priors.protocols import DepthMap, Progress
from recon.types import Cameras, Lens, Reconstruction, Scene

__all__ = ["SensorDepth"]


@dataclass(frozen=True)
class SensorDepth:
    """A `DepthPrior`. Maps are as distorted as their photos, at any resolution of the same shape."""

    folder: Path
    files: Mapping[str, DepthFile]
    """By the name of the photo."""
    posed: bool = False
    """The poses come from where the maps come from, so lengths are the same."""

    @classmethod
    def of(cls, folder: Path | None, reconstruction: Reconstruction) -> SensorDepth:
        """Of a folder of maps that are named after the photos, or of a recording's folder."""
        if folder is None:
            raise InputError("--depth sensor does not know where its maps are.", advice="Add --depth-from DIR.")
        if not folder.is_dir():
            raise InputError(f"{folder} is no folder of depth maps.", advice="Pass one with a map for every photo.")
        recording = read_recording(folder)
        if recording is not None:
            return cls(folder, recording.depths, posed=_is_posed_by(recording, reconstruction))
        found = {view.name: (find_depth(folder, view.name), view.lens) for view in reconstruction.views}
        files = {name: DepthFile(path, MILLIMETRES, lens) for name, (path, lens) in found.items() if path is not None}
        return cls(folder, files)

    def predict(self, scene: Scene, views: Sequence[int], progress: Progress) -> Iterator[DepthMap]:
        self._check(scene, views)  # all of them, before the first is read
        unit = float(scene.input_from_world[0, 0])  # metres in a world unit, where the poses are metric
        for done, view in enumerate(views):
            progress(done / len(views), scene.names[view])
            file, camera = self.files.get(scene.names[view]), scene.cameras[view]
            inverse = torch.zeros(int(camera.height), int(camera.width)) if file is None else _read(file, camera)
            known = (inverse > 0).float()
            yield DepthMap(inverse * unit, known, "scene") if self.posed else DepthMap(inverse, known, "metric")

    def _check(self, scene: Scene, views: Sequence[int]) -> None:
        missing = [scene.names[view] for view in views if scene.names[view] not in self.files]
        if len(missing) > 0 and (not self.posed or len(missing) == len(views)):
            raise InputError(
                f"{self.folder} has no depth map of {missing[0]}.",
                advice=f"Add {PurePosixPath(missing[0]).stem} with the ending {' or '.join(DEPTH_ENDINGS)}.",
            )


def _is_posed_by(recording: Recording, reconstruction: Reconstruction) -> bool:
    """Whether each photo is where the recording says."""
    poses = {frame.name: invert_similarity(frame.input_from_cam) for frame in recording.frames}
    return all(
        view.name in poses and np.allclose(view.cam_from_input, poses[view.name], atol=1e-4)
        for view in reconstruction.views
    )


def _read(file: DepthFile, camera: Cameras) -> Float[Tensor, "h w"]:
    """The inverse of what was measured, as the camera sees it; 0 where nothing was."""
    depth = torch.from_numpy(read_depth(file.path, steps=file.steps))
    _check_shape(depth, file.lens, file.path)
    focal, center = camera.focal.tolist(), camera.center.tolist()
    pinhole = Pinhole(int(camera.width), int(camera.height), (focal[0], focal[1]), (center[0], center[1]))
    return inverse_seen(depth, file.lens, pinhole)


def _check_shape(depth: Float[Tensor, "h w"], lens: Lens, path: Path) -> None:
    height, width = depth.shape
    if abs(width * lens.height / (height * lens.width) - 1) > 0.02:
        raise InputError(
            f"{path} has {width} x {height} pixels, and its photo {lens.width} x {lens.height}: another shape.",
            advice="Register the depth to the photo first.",
        )
