"""From a folder to posed photos: found beside them, given as a COLMAP model, or computed."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.errors import InputError
from recon.io.colmap import read_colmap, write_colmap
from recon.io.disk import whole
from recon.io.masks import with_masks
from recon.io.photos import read_capture
from recon.io.posed import find_posed
from recon.sfm.config import PosesConfig
from recon.types import Capture, LeftOut, Reconstruction

__all__ = ["Posed", "ToPose", "compute_poses", "find_photos", "name_left_out", "posed_photos"]

_NAMED = 8
"""At most so many left out photos are listed on the terminal; the report has them all."""
_FEW_POINTS = 100
"""With fewer, a posed data set counts as one without points."""


@runtime_checkable
class ToPose(Protocol):
    """Options of a command that begins with photos."""

    @property
    def images(self) -> Path | None: ...
    @property
    def colmap(self) -> Path | None: ...
    @property
    def masks(self) -> Path | None: ...
    @property
    def poses(self) -> PosesConfig: ...


@dataclass(frozen=True)
class Posed:
    """Posed photos, and how many photos there were to pose."""

    reconstruction: Reconstruction
    photos: int


def posed_photos(options: ToPose, workspace: Path, deadline: Deadline, console: Console) -> Posed:
    """Posed photos of `options.images`; their COLMAP model lies in `workspace` afterwards."""
    images = options.images
    assert images is not None
    beside = find_posed(images) if options.colmap is None else None
    if options.colmap is None and beside is None:
        capture = find_photos(images, options.masks, console)
        return Posed(compute_poses(capture, options.poses, workspace, deadline, console), len(capture.photos))
    with console.stage("photos") as stage:
        reconstruction = beside.read() if beside is not None else read_colmap(_given(options), images)
        if options.masks is not None:
            reconstruction = with_masks(reconstruction, options.masks)
        stage.result = f"{len(reconstruction.views)} posed photos from {beside or options.colmap}"
    name_left_out(reconstruction.left_out, console)
    if len(reconstruction.points) < _FEW_POINTS and len(reconstruction.views) > 1:
        reconstruction = _with_points(reconstruction, options.poses, workspace, deadline, console)
    write_colmap(reconstruction, workspace)
    return Posed(reconstruction, len(reconstruction.views) + sum(map(_is_photo, reconstruction.left_out)))


def _is_photo(item: LeftOut) -> bool:
    absent = "does not exist" in item.reason or "is not in" in item.reason
    return not absent and not item.reason.startswith("(a mask")


def find_photos(folder: Path, masks: Path | None, console: Console) -> Capture:
    """The readable photos of a folder."""
    with console.stage("photos") as stage:
        capture = read_capture(folder, masks=masks)
        left_out = f", {len(capture.left_out)} files left out" if capture.left_out else ""
        stage.result = f"{len(capture.photos)} photos{left_out}"
    return capture


def compute_poses(
    capture: Capture, config: PosesConfig, workspace: Path, deadline: Deadline, console: Console
) -> Reconstruction:
    """Structure from motion, with its summary and the photos it could not place. Its model is left in `workspace`."""
    from recon.sfm.poses import pose_photos

    with console.stage("poses") as stage:

        def show(what: str, done: float) -> None:
            stage.progress(done, part=what)
            deadline.check("finding the poses; what was found of them is kept")

        reconstruction = pose_photos(capture, config, workspace, show)
        for file in sorted((workspace / "sparse" / "0").glob("*.bin")):
            with whole(workspace / file.name) as unfinished:
                shutil.copyfile(file, unfinished)
        error = reconstruction.mean_reprojection_error
        placed = f"{len(reconstruction.views)} of {len(capture.photos)} photos, {len(reconstruction.points)} points"
        stage.result = placed + ("" if error is None else f", {error:.2f} px")
    name_left_out(reconstruction.left_out, console)
    return reconstruction


def _with_points(
    posed: Reconstruction, config: PosesConfig, workspace: Path, deadline: Deadline, console: Console
) -> Reconstruction:
    """With points that the photos agree on, where there are enough of them; training starts from random ones else."""
    from recon.sfm.points import triangulate_photos

    with console.stage("points") as stage:

        def show(what: str, done: float) -> None:
            stage.progress(done, part=what)
            deadline.check("looking for points; what was found of them is kept")

        try:
            found = triangulate_photos(posed, config, workspace, show)
        except InputError as error:
            stage.result = f"none: {error.message}"
            return posed
        if len(found.points) < _FEW_POINTS:
            stage.result = f"only {len(found.points)} that photos agree on: too few to start from"
            return posed
        stage.result = f"{len(found.points)} points, {found.mean_reprojection_error or 0:.2f} px"
    return found


def name_left_out(left_out: tuple[LeftOut, ...], console: Console) -> None:
    for item in left_out[:_NAMED]:
        console.say(f"  left out: {item.name}: {item.reason}")
    if len(left_out) > _NAMED:
        console.say(f"  and {len(left_out) - _NAMED} more; report.html lists them all")


def _given(options: ToPose) -> Path:
    """The COLMAP model the user named, or the one in its sparse/0."""
    assert options.colmap is not None
    found = find_posed(options.colmap)
    return found.path if found is not None and found.kind == "colmap" else options.colmap
