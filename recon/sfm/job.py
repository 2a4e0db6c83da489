"""What the parent asks of the child process, as JSON, without torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from recon.sfm.config import PosesConfig

__all__ = ["METHOD", "Job", "Known", "Shot"]

METHOD = 2
"""Part of the cache's keys: counted up when the same photos and options come to give another result."""


@dataclass(frozen=True)
class Known:
    """Lens, in COLMAP's terms, and pose of a photo that has both already."""

    model: str
    params: tuple[float, ...]
    cam_from_input: tuple[tuple[float, ...], ...]


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
    known: Known | None = None

    @property
    def facts(self) -> tuple[object, ...]:
        """All that a result depends on: wherever the file lies, its contents count."""
        return (self.name, self.width, self.height, self.focal, self.camera, self.digest, self.known)


@dataclass(frozen=True)
class Job:
    shots: tuple[Shot, ...]
    ordered: bool
    config: PosesConfig
    workspace: Path
    key: str
    """Of the result, in the cache."""

    @property
    def posed(self) -> bool:
        """Are the poses given, and only points wanted?"""
        return all(shot.known is not None for shot in self.shots)

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)

    @staticmethod
    def from_json(text: str) -> Job:
        job = json.loads(text)
        shots = tuple(_shot(**shot) for shot in job["shots"])
        return Job(shots, job["ordered"], PosesConfig(**job["config"]), Path(job["workspace"]), job["key"])


def _shot(path: str, mask: str | None, known: dict[str, Any] | None, **rest: Any) -> Shot:
    given = None if known is None else Known(known["model"], tuple(known["params"]), _rows(known["cam_from_input"]))
    return Shot(path=Path(path), mask=None if mask is None else Path(mask), known=given, **rest)


def _rows(matrix: list[list[float]]) -> tuple[tuple[float, ...], ...]:
    return tuple(map(tuple, matrix))
