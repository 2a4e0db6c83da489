"""Photos to posed cameras and sparse points: the parent's side of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from recon.errors import InputError
from recon.io.cache import content_key, has_stage, hash_files
from recon.sfm.child import run_worker
from recon.sfm.config import PosesConfig
from recon.sfm.frame import UP
from recon.sfm.job import METHOD, Job, Shot
from recon.sfm.result import read_result
from recon.types import Capture, LeftOut, Lens, Photo, Reconstruction, View

__all__ = ["pose_photos"]


def pose_photos(
    capture: Capture,
    config: PosesConfig,
    workspace: Path,
    progress: Callable[[str, float], None] | None = None,
) -> Reconstruction:
    """Find out where the photos were taken, by COLMAP in a child process.

    Leaves in `workspace`: `sparse/0`, a COLMAP model whose image names are the photos' names; `images`, the photos as
    COLMAP reads them; `matches`, COLMAP's database; `colmap.log`. The same photos and options again only read it.
    `progress` gets the name of the stage and the share of it that is done.
    """
    photos, twins = _without_twins(capture.photos)
    if len(photos) < 2:
        raise _too_few(capture, twins)
    job = _make_job(photos, capture.ordered, config, workspace)
    sparse = workspace / "sparse"
    if not has_stage(sparse, job.key):
        workspace.mkdir(parents=True, exist_ok=True)
        run_worker(job, workspace / "colmap.log", progress or (lambda stage, fraction: None))
    reconstruction = _read(sparse, {photo.name: photo for photo, _ in photos})
    return replace(reconstruction, left_out=(*capture.left_out, *twins, *reconstruction.left_out))


def _without_twins(photos: tuple[Photo, ...]) -> tuple[list[tuple[Photo, str]], list[LeftOut]]:
    """Photos with the digests of their contents, each content once."""
    first: dict[str, Photo] = {}
    kept, twins = [], []
    for photo, digest in zip(photos, hash_files(photo.path for photo in photos), strict=True):
        twin = first.setdefault(digest, photo)
        if twin is photo:
            kept.append((photo, digest))
        else:
            twins.append(LeftOut(photo.name, f"is an exact copy of {twin.name}."))
    return kept, twins


def _too_few(capture: Capture, twins: list[LeftOut]) -> InputError:
    what = "has one photo" if len(capture.photos) == 1 else "has no two different photos"
    what = "has no photos" if len(capture.photos) == 0 else what
    named = "".join(f" {left.name} {left.reason}" for left in (*capture.left_out, *twins)[:5])
    advice = "Take 20 or more, walking around the subject, each showing most of what its neighbour shows."
    return InputError(f"{capture.folder} {what}, and depth needs several.{named}", advice=advice)


def _make_job(photos: list[tuple[Photo, str]], ordered: bool, config: PosesConfig, workspace: Path) -> Job:
    masks = [photo.mask for photo, _ in photos if photo.mask is not None]
    mask_digests = dict(zip(masks, hash_files(masks), strict=True))
    cameras: dict[tuple[str, int, int], int] = {}
    shots = []
    for photo, digest in photos:
        camera = cameras.setdefault((photo.camera, photo.width, photo.height), len(cameras) + 1)
        digest += "" if photo.mask is None else mask_digests[photo.mask]
        shots.append(Shot(photo.name, photo.path, photo.width, photo.height, photo.focal, camera, photo.mask, digest))
    key = content_key(METHOD, [shot.facts for shot in shots], ordered, config)
    return Job(tuple(shots), ordered, config, workspace, key)


def _read(sparse: Path, photos: dict[str, Photo]) -> Reconstruction:
    result, points = read_result(sparse)
    views = tuple(
        View(
            placed.name,
            photos[placed.name].path,
            Lens(placed.model, placed.width, placed.height, placed.params),
            np.array(placed.cam_from_input),
            mask=photos[placed.name].mask,
        )
        for placed in result.placed
    )
    return Reconstruction(
        views,
        points,
        left_out=tuple(LeftOut(name, reason) for name, reason in result.left_out),
        up=np.array(UP),
        mean_track_length=result.mean_track_length,
        mean_reprojection_error=result.mean_reprojection_error,
    )
