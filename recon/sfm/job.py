"""What the parent asks of the child process, as JSON, without torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from recon.sfm.config import PosesConfig

__all__ = ["METHOD", "Job", "Shot"]

METHOD = 1
"""Part of the cache's keys: counted up when the same photos and options come to give another result."""


@dataclass(frozen=True)
class Shot:
    """One photo to pose; sizes are upright, in pixels."""

    name: str
    path: Path
    width: int
    height: int
    focal: float | None
    """From EXIF, in pixels."""
    camera: int
    """Shots with the same number share intrinsics; counts from 1."""
    mask: Path | None
    digest: str
    """Of the photo's and the mask's contents."""


@dataclass(frozen=True)
class Job:
    shots: tuple[Shot, ...]
    ordered: bool
    config: PosesConfig
    workspace: Path
    key: str
    """Of the result, in the cache."""

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Job:
        job = json.loads(text)
        shots = [
            Shot(**{**s, "path": Path(s["path"]), "mask": None if s["mask"] is None else Path(s["mask"])})
            for s in job["shots"]
        ]
        return Job(tuple(shots), job["ordered"], PosesConfig(**job["config"]), Path(job["workspace"]), job["key"])
