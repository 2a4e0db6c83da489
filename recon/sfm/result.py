"""What the worker leaves behind and the parent reads: `poses.json` and `points.npz` beside the COLMAP model."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from recon.io.parsing import parse_json
from recon.types import Points

__all__ = ["Attempt", "Placed", "PosesResult", "read_result", "write_result"]


@dataclass(frozen=True)
class Placed:
    """One photo that has a place; the lens in COLMAP's terms."""

    name: str
    model: str
    width: int
    height: int
    params: tuple[float, ...]
    cam_from_input: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Attempt:
    """One way that was tried."""

    method: str
    registered: int
    points: int
    seconds: float


@dataclass(frozen=True)
class PosesResult:
    placed: tuple[Placed, ...]
    left_out: tuple[tuple[str, str], ...]
    """Name and reason."""
    mean_track_length: float
    mean_reprojection_error: float
    attempts: tuple[Attempt, ...]
    seconds: dict[str, float]
    """By stage."""


def write_result(folder: Path, result: PosesResult, points: Points) -> None:
    (folder / "poses.json").write_text(json.dumps(asdict(result), indent=1))
    assert points.error is not None
    np.savez(folder / "points.npz", xyz=points.xyz.numpy(), rgb=points.rgb.numpy(), error=points.error.numpy())


def read_result(folder: Path) -> tuple[PosesResult, Points]:
    values = parse_json((folder / "poses.json").read_text())
    values["placed"] = tuple(_placed(**placed) for placed in values["placed"])
    values["attempts"] = tuple(Attempt(**attempt) for attempt in values["attempts"])
    values["left_out"] = tuple((name, reason) for name, reason in values["left_out"])
    with np.load(folder / "points.npz") as kept:
        error = torch.from_numpy(kept["error"]).float() if "error" in kept else None
        points = Points(torch.from_numpy(kept["xyz"]).float(), torch.from_numpy(kept["rgb"]), error)
    return PosesResult(**values), points


def _placed(params: list[float], cam_from_input: list[list[float]], **rest: Any) -> Placed:
    """JSON has no tuples."""
    return Placed(params=tuple(params), cam_from_input=tuple(map(tuple, cam_from_input)), **rest)
