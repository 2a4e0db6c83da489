"""Sparse points for posed photos that came without: the parent's side of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from recon.io.cache import content_key, has_stage, hash_files
from recon.sfm.child import run_worker
from recon.sfm.config import PosesConfig
from recon.sfm.job import METHOD, Job, Known, Shot
from recon.sfm.result import read_result
from recon.types import Lens, Reconstruction, View

__all__ = ["triangulate_photos"]


def triangulate_photos(
    reconstruction: Reconstruction,
    config: PosesConfig,
    workspace: Path,
    progress: Callable[[str, float], None] | None = None,
) -> Reconstruction:
    """The reconstruction with points that its photos show, found by COLMAP in a child process; poses stay as they are.

    Photos that the data set holds out take no part. Leaves in `workspace` what `pose_photos` leaves.
    """
    views = [view for view in reconstruction.views if view.split != "test"]
    job = _make_job(views, config, workspace)
    sparse = workspace / "sparse"
    if not has_stage(sparse, job.key):
        workspace.mkdir(parents=True, exist_ok=True)
        run_worker(job, workspace / "colmap.log", progress or (lambda stage, fraction: None))
    result, points = read_result(sparse)
    return replace(
        reconstruction,
        points=points,
        mean_track_length=result.mean_track_length,
        mean_reprojection_error=result.mean_reprojection_error,
    )


def _make_job(views: list[View], config: PosesConfig, workspace: Path) -> Job:
    masks = [view.mask for view in views if view.mask is not None]
    mask_digests = dict(zip(masks, hash_files(masks), strict=True))
    cameras: dict[Lens, int] = {}
    shots = []
    for view, digest in zip(views, hash_files(view.path for view in views), strict=True):
        lens = view.lens
        shots.append(
            Shot(
                view.name,
                view.path,
                lens.width,
                lens.height,
                focal=None,
                camera=cameras.setdefault(lens, len(cameras) + 1),
                mask=view.mask,
                digest=digest + ("" if view.mask is None else mask_digests[view.mask]),
                known=Known(lens.model, lens.params, tuple(map(tuple, view.cam_from_input.tolist()))),
            )
        )
    key = content_key(METHOD, [shot.facts for shot in shots], config)
    return Job(tuple(shots), ordered=False, config=replace(config, keep_blurred=True), workspace=workspace, key=key)
