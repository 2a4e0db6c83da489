"""`recon poses`: structure from motion alone."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.cli.posing import compute_poses, find_photos
from recon.errors import InputError
from recon.io.lock import locked
from recon.sfm.config import PosesConfig

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Photos to camera poses: a COLMAP model.

    Poses that already lie with the photos are not used; this computes them. 50 photos take half a minute to a minute
    on two cores.
    """

    images: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR")]
    """Folder of the photos."""
    output: Annotated[Path, tyro.conf.arg(metavar="MODEL")]
    """Folder for the model: cameras, images and points3D, as COLMAP writes them."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of masks named like the photos plus .png; what is black in them is ignored."""
    poses: Annotated[PosesConfig, tyro.conf.arg(name="")] = field(default_factory=PosesConfig)
    """How cameras are found."""


def run(options: Options, console: Console) -> dict[str, Any]:
    if options.output.exists() and not options.output.is_dir():
        raise InputError(f"{options.output} is a file.", advice="Pass a folder as --output.")
    started = time.monotonic()
    capture = find_photos(options.images, options.masks, console)
    with locked(options.output, command="recon poses"):
        reconstruction = compute_poses(capture, options.poses, options.output, Deadline(started, None), console)
    console.say(f"COLMAP model: {options.output}")
    return {
        "model": str(options.output),
        "photos": len(capture.photos),
        "registered": len(reconstruction.views),
        "left_out": [item.name for item in reconstruction.left_out],
        "reasons": {item.name: item.reason for item in reconstruction.left_out},
        "points": len(reconstruction.points),
        "mean_track_length": reconstruction.mean_track_length,
        "mean_reprojection_error": reconstruction.mean_reprojection_error,
        "seconds": time.monotonic() - started,
    }
