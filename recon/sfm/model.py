"""Writing the model that won: for COLMAP, and for our own reader."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from recon.sfm.diagnosis import reason_for
from recon.sfm.evidence import Evidence
from recon.sfm.frame import poses_of
from recon.sfm.result import Attempt, Placed, PosesResult, write_result
from recon.types import Points

if TYPE_CHECKING:
    import pycolmap

__all__ = ["write_model"]


def write_model(
    folder: Path,
    model: pycolmap.Reconstruction,
    evidence: Evidence,
    attempts: list[Attempt],
    seconds: dict[str, float],
) -> None:
    """`folder/0` for COLMAP; `poses.json` and `points.npz` for `recon.sfm.result`."""
    points = _points(model, evidence)
    colmap = folder / "0"
    colmap.mkdir()
    model.write_binary(colmap)
    ids, poses = poses_of(model)
    placed = []
    for number, pose in zip(ids, poses, strict=True):
        image = model.image(number)
        camera = model.camera(image.camera_id)
        params = tuple(float(value) for value in camera.params)
        placed.append(
            Placed(image.name, camera.model_name, camera.width, camera.height, params, tuple(map(tuple, pose.tolist())))
        )
    names = {one.name for one in placed}
    has_place = np.array([shot.name in names for shot in evidence.shots])
    left_out = [
        (evidence.shots[index].name, reason_for(index, evidence, has_place))
        for index in np.flatnonzero(~has_place).tolist()
    ]
    result = PosesResult(
        tuple(placed),
        tuple(left_out),
        model.compute_mean_track_length(),
        model.compute_mean_reprojection_error(),
        tuple(attempts),
        seconds,
    )
    write_result(folder, result, points)


def _points(model: pycolmap.Reconstruction, evidence: Evidence) -> Points:
    """The points, in float64; a colour is the median over the photos, against highlights."""
    colors = {number: evidence.colors(number - 1) for number in model.reg_image_ids()}
    xyz, rgb, error = [], [], []
    for point in model.points3D.values():
        seen = [colors[element.image_id][element.point2D_idx] for element in point.track.elements]
        point.color = np.median(seen, axis=0).astype(np.uint8)
        xyz.append(point.xyz)
        rgb.append(point.color)
        error.append(point.error)
    return Points(
        torch.from_numpy(np.array(xyz, dtype=np.float64).reshape(-1, 3)),
        torch.from_numpy(np.array(rgb, dtype=np.uint8).reshape(-1, 3)),
        torch.tensor(error, dtype=torch.float32),
    )
