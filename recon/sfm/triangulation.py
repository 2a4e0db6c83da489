"""Points for photos whose poses are known: features are matched as for mapping, then only triangulated."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.sfm.database import known_camera
from recon.sfm.gathering import Effort, gather
from recon.sfm.job import Job, Shot
from recon.sfm.model import write_model

if TYPE_CHECKING:
    import pycolmap

__all__ = ["triangulate"]


def triangulate(job: Job, folder: Path, threads: int, say: Callable[[str, float], None]) -> None:
    """Fill `folder` with the given cameras and the points that their photos agree on. The cameras do not move."""
    import pycolmap

    seconds: dict[str, float] = {}
    effort = Effort(job.config.image_size, job.config.max_features, False, job.config.pairs)
    evidence = gather(job, effort, job.workspace / "matches", threads, seconds, say)
    say("Triangulating", 0.0)
    started = time.monotonic()
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = threads
    options.random_seed = job.config.seed
    options.extract_colors = False
    with tempfile.TemporaryDirectory() as scratch:
        model = pycolmap.triangulate_points(
            _known_model(job.shots), evidence.database, scratch, scratch, True, options, False
        )
    seconds["triangulating"] = time.monotonic() - started
    write_model(folder, model, evidence, [], seconds)
    say("Triangulating", 1.0)


def _known_model(shots: tuple[Shot, ...]) -> pycolmap.Reconstruction:
    """Cameras and poses, numbered as in the database."""
    import pycolmap

    model = pycolmap.Reconstruction()
    for number, shot in enumerate(shots, start=1):
        assert shot.known is not None
        if not model.exists_camera(shot.camera):
            model.add_camera_with_trivial_rig(known_camera(shot, shot.known))
        image = pycolmap.Image(image_id=number, name=shot.name, camera_id=shot.camera)
        model.add_image_with_trivial_frame(image, pycolmap.Rigid3d(np.array(shot.known.cam_from_input)[:3]))
    return model
