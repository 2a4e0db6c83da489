"""Features and matches of all photos, as one stage that is kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recon.io.cache import content_key, fill_stage
from recon.sfm.database import make_cameras, write_database
from recon.sfm.evidence import Evidence, find_blurred, read_evidence, write_evidence
from recon.sfm.features import find_features
from recon.sfm.job import METHOD, Job
from recon.sfm.mapping import start_lens
from recon.sfm.matching import match_pairs
from recon.sfm.pairs import choose_pairs

__all__ = ["Effort", "gather"]


@dataclass(frozen=True)
class Effort:
    """How hard to look."""

    image_size: int
    max_features: int
    fine: bool
    """Look at twice the image size too."""
    pairs: Literal["auto", "exhaustive", "similar", "sequential"]


def gather(
    job: Job, effort: Effort, folder: Path, threads: int, seconds: dict[str, float], say: Callable[[str, float], None]
) -> Evidence:
    """Fill `folder` with COLMAP's database and the evidence, unless it has them; adds to `seconds` by stage."""
    facts = [shot.facts for shot in job.shots]
    config = job.config
    key = content_key(
        METHOD, effort, facts, job.ordered, config.neighbours, config.lens, config.seed, config.keep_blurred
    )
    fill_stage(folder, key, lambda part: _fill(job, effort, part, threads, seconds, say))
    return read_evidence(folder, job.shots)


def _fill(
    job: Job, effort: Effort, folder: Path, threads: int, seconds: dict[str, float], say: Callable[[str, float], None]
) -> None:
    config, shots = job.config, job.shots
    again = " again, more of them" if effort.fine else ""
    started = time.monotonic()
    features = find_features(
        shots,
        image_size=effort.image_size,
        max_features=effort.max_features,
        fine=effort.fine,
        threads=threads,
        progress=lambda done: say(f"Finding features{again}", done),
    )
    found = time.monotonic()
    blurred = find_blurred(features) & (not config.keep_blurred)
    pairs = choose_pairs(
        features,
        ordered=job.ordered,
        mode=effort.pairs,
        neighbours=config.neighbours,
        threads=threads,
        progress=lambda done: say("Comparing photos", done),
    )
    cameras = make_cameras(shots, start_lens(config.lens, len(shots)))
    verified = match_pairs(
        features,
        [cameras[shot.camera] for shot in shots],
        [(i, j) for i, j in pairs if not blurred[i] and not blurred[j]],
        seed=config.seed,
        threads=threads,
        progress=lambda done: say(f"Matching features{again}", done),
    )
    write_database(folder / "database.db", shots, cameras, features, verified)
    write_evidence(folder, features, blurred, verified)
    seconds["features"] = seconds.get("features", 0.0) + found - started
    seconds["matching"] = seconds.get("matching", 0.0) + time.monotonic() - found
