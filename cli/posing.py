"""From a folder to posed photos: found beside them, given as a COLMAP model, or computed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from recon.cli.console import Console
from recon.io.colmap import read_colmap
from recon.io.photos import read_capture
from recon.io.posed import find_posed
from recon.sfm.config import PosesConfig
from recon.types import Capture, LeftOut, Reconstruction

__all__ = ["Posed", "compute_poses", "name_left_out", "posed_photos"]

_NAMED = 8
"""At most so many left out photos are listed on the terminal; the report has them all."""


@dataclass(frozen=True)
class Posed:
    """Posed photos, and how many photos there were to pose."""

    reconstruction: Reconstruction
    photos: int


def posed_photos(
    images: Path,
    *,
    colmap: Path | None,
    masks: Path | None,
    config: PosesConfig,
    workspace: Path,
    console: Console,
) -> Posed:
    """Posed photos of `images`. Structure from motion, where it is needed, writes to `workspace`."""
    if colmap is not None:
        with console.stage("photos") as stage:
            reconstruction = read_colmap(colmap, images)
            stage.result = f"{len(reconstruction.views)} posed photos of the COLMAP model {colmap}"
        return _given(reconstruction, console)
    found = find_posed(images)
    if found is not None:
        with console.stage("photos") as stage:
            reconstruction = found.read()
            stage.result = f"{len(reconstruction.views)} posed photos from {found}"
        return _given(reconstruction, console)
    with console.stage("photos") as stage:
        capture = read_capture(images, masks=masks)
        stage.result = f"{len(capture.photos)} photos" + _and_left_out(capture.left_out)
    return Posed(compute_poses(capture, config, workspace, console), len(capture.photos))


def compute_poses(capture: Capture, config: PosesConfig, workspace: Path, console: Console) -> Reconstruction:
    """Structure from motion, with its summary and the photos it could not place."""
    from recon.sfm.poses import pose_photos

    with console.stage("poses") as stage:
        reconstruction = pose_photos(capture, config, workspace, lambda what, done: stage.progress(done, what))
        error = reconstruction.mean_reprojection_error
        stage.result = (
            f"{len(reconstruction.views)} of {len(capture.photos)} photos, {len(reconstruction.points)} points"
            + ("" if error is None else f", {error:.2f} px")
        )
    name_left_out(reconstruction.left_out, console)
    return reconstruction


def name_left_out(left_out: tuple[LeftOut, ...], console: Console) -> None:
    for item in left_out[:_NAMED]:
        console.say(f"  left out: {item.name}: {item.reason}")
    if len(left_out) > _NAMED:
        console.say(f"  and {len(left_out) - _NAMED} more; report.html lists them all")


def _given(reconstruction: Reconstruction, console: Console) -> Posed:
    name_left_out(reconstruction.left_out, console)
    absent = sum("does not exist" in item.reason or "is not in" in item.reason for item in reconstruction.left_out)
    return Posed(reconstruction, len(reconstruction.views) + len(reconstruction.left_out) - absent)


def _and_left_out(left_out: tuple[LeftOut, ...]) -> str:
    return f", {len(left_out)} files left out" if left_out else ""
