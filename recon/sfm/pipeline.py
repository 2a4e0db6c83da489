"""The worker's work: evidence, mapping, the best model. Tries again, harder, when the first try is poor."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from recon.io.cache import fill_stage
from recon.sfm import diagnosis
from recon.sfm.evidence import Evidence
from recon.sfm.frame import set_upright
from recon.sfm.gathering import Effort, gather
from recon.sfm.images import provide_images
from recon.sfm.job import Job
from recon.sfm.mapping import map_globally, map_incrementally, refine
from recon.sfm.model import write_model
from recon.sfm.result import Attempt
from recon.sfm.triangulation import triangulate

if TYPE_CHECKING:
    import pycolmap

__all__ = ["run_job"]

_ENOUGH = 0.9
"""Share of the usable photos that must have a place for us to be content."""
_REPEATABLE = 150
"""Photos. Ceres adds in the order in which threads end, so that only one thread gives the same bits every time; up to
this number of photos more threads save nothing."""
_THOROUGH_SIZE = 1200
_THOROUGH_FEATURES = 8000

Say = Callable[[str, float], None]
Mapped = tuple["pycolmap.Reconstruction | None", Evidence]


def run_job(job: Job, say: Say) -> None:
    """Fill `workspace/sparse`, or raise an `InputError` that says why these photos cannot be posed."""
    threads = _cores()
    work = triangulate if job.posed else _pose
    fill_stage(job.workspace / "sparse", job.key, lambda folder: work(job, folder, threads, say))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _mapping_threads(job: Job) -> int:
    return 1 if len(job.shots) <= _REPEATABLE else _cores()


def _pose(job: Job, folder: Path, threads: int, say: Say) -> None:
    seconds: dict[str, float] = {}
    attempts: list[Attempt] = []
    model, evidence = _best(job, threads, attempts, seconds, say)
    if model is None:
        raise diagnosis.explain_failure(evidence)
    started = time.monotonic()
    say("Refining cameras", 0.0)
    model = refine(model, lens=job.config.lens, threads=_mapping_threads(job))
    diagnosis.check_depth(model, evidence)
    set_upright(model)
    provide_images(job.shots, job.workspace / "images", job.key, threads)
    seconds["refining"] = time.monotonic() - started
    write_model(folder, model, evidence, attempts, seconds)
    say("Refining cameras", 1.0)


def _best(job: Job, threads: int, attempts: list[Attempt], seconds: dict[str, float], say: Say) -> Mapped:
    """The model with the most photos of all that is tried, and the evidence it was made of."""
    config = job.config
    quick = Effort(config.image_size, config.max_features, False, config.pairs)
    evidence = gather(job, quick, job.workspace / "matches", threads, seconds, say)
    if diagnosis.is_hopeless(evidence):
        return None, evidence
    best: Mapped = None, evidence
    for method in ("incremental",) if config.no_retry else ("incremental", "careful"):
        best = _better(best, job, method, evidence, attempts, seconds, say)
    if config.no_retry or _is_enough(best):
        return best
    size, count = max(config.image_size, _THOROUGH_SIZE), max(config.max_features, _THOROUGH_FEATURES)
    thorough = Effort(size, count, True, config.pairs)
    evidence = gather(job, thorough, job.workspace / "matches_thorough", threads, seconds, say)
    for method in ("incremental", "careful", "global"):
        best = _better(best, job, method, evidence, attempts, seconds, say)
    return best


def _is_enough(mapped: Mapped) -> bool:
    model, evidence = mapped
    return _size(model)[0] >= _ENOUGH * diagnosis.usable(evidence).sum()


def _size(model: pycolmap.Reconstruction | None) -> tuple[int, int]:
    return (0, 0) if model is None else (model.num_reg_images(), model.num_points3D())


def _better(
    best: Mapped,
    job: Job,
    method: str,
    evidence: Evidence,
    attempts: list[Attempt],
    seconds: dict[str, float],
    say: Say,
) -> Mapped:
    """`best`, or if that is not enough and `method` finds more, what it finds."""
    if _is_enough(best) or len(evidence.pairs) == 0:
        return best
    started = time.monotonic()
    title = "Placing photos" if not attempts else f"Placing photos, try {len(attempts) + 1} ({method})"
    say(title, 0.0)
    if method == "global":
        models = map_globally(evidence.database, seed=job.config.seed, threads=_mapping_threads(job))
    else:
        models = map_incrementally(
            evidence.database,
            careful=method == "careful",
            hold_focal=all(shot.focal is not None for shot in job.shots),
            seed=job.config.seed,
            threads=_mapping_threads(job),
            registered=lambda count: say(title, min(1.0, count / len(job.shots))),
        )
    model = max(models, key=_size, default=None)
    spent = time.monotonic() - started
    seconds["mapping"] = seconds.get("mapping", 0.0) + spent
    attempts.append(Attempt(method, *_size(model), spent))
    return max(best, (model, evidence), key=lambda mapped: _size(mapped[0]))
