"""What features and matches say about a set of photos: the stage before mapping, kept beside COLMAP's database."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from recon.sfm.features import Features
from recon.sfm.job import Shot
from recon.sfm.matching import Verified
from recon.sfm.turning import FOCALS

__all__ = ["Evidence", "find_blurred", "read_evidence", "write_evidence"]

_BLURRED = 0.35
"""Of the median sharpness. Handheld captures stay above 0.6 (fox 0.77); a blur of 3 pixels falls under 0.3."""


@dataclass(frozen=True)
class Evidence:
    """Indices are those of `shots`."""

    shots: tuple[Shot, ...]
    database: Path
    counts: Int[np.ndarray, "n"]
    """Features of each photo."""
    rgb: UInt8[np.ndarray, "k 3"]
    """Colours of the features of all photos, one photo after the other."""
    blurred: Bool[np.ndarray, "n"]
    pairs: Int[np.ndarray, "q 2"]
    """Pairs that geometry confirmed."""
    inliers: Int[np.ndarray, "q"]
    turning: Float[np.ndarray, "q f"]
    """How badly turning the camera explains each pair, by focal length."""

    def colors(self, index: int) -> UInt8[np.ndarray, "m 3"]:
        start = int(self.counts[:index].sum())
        return self.rgb[start : start + int(self.counts[index])]

    def turning_error(self) -> float:
        """How badly a camera that only turns explains the worst pairs (one in twenty is worse), in longest sides."""
        return float(np.quantile(self.turning, 0.95, axis=0).min()) if len(self.pairs) > 0 else np.inf

    def partners(self) -> Int[np.ndarray, "n"]:
        """How many photos each photo shares something with."""
        return np.bincount(self.pairs.ravel(), minlength=len(self.shots))


def find_blurred(features: list[Features]) -> Bool[np.ndarray, "n"]:
    """Which photos are much less sharp than the others. Few photos say nothing about what is usual."""
    sharpness = np.array([one.sharpness for one in features])
    if len(features) < 5:
        return np.zeros(len(features), dtype=bool)
    return sharpness < _BLURRED * np.median(sharpness)


def write_evidence(
    folder: Path, features: list[Features], blurred: Bool[np.ndarray, "n"], verified: list[Verified]
) -> None:
    np.savez(
        folder / "evidence.npz",
        counts=np.array([len(one) for one in features], dtype=np.int64),
        rgb=np.concatenate([one.rgb for one in features]),
        blurred=blurred,
        pairs=np.array([one.pair for one in verified], dtype=np.int64).reshape(-1, 2),
        inliers=np.array([len(one.geometry.inlier_matches) for one in verified], dtype=np.int64),
        turning=np.array([one.turning for one in verified]).reshape(len(verified), len(FOCALS)),
    )


def read_evidence(folder: Path, shots: tuple[Shot, ...]) -> Evidence:
    with np.load(folder / "evidence.npz") as arrays:
        return Evidence(shots, folder / "database.db", **arrays)
