"""Gaussians like those of trained scenes, in number and spread, for tests of file formats."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from recon.io.splats.asset import SplatAsset
from recon.types import Gaussians

__all__ = ["SAMPLES", "likely_gaussians", "matched", "written_asset"]

SAMPLES = Path("importer") / "splats"
"""Below the data folder: files that other programs wrote."""


def likely_gaussians(g: int, degree: int = 3, *, antialiased: bool = False) -> Gaussians:
    """Positions within a few units, sizes from millimetres to decimetres, harmonics within -1..1."""
    draw = torch.Generator().manual_seed(g + 31 * degree)
    return Gaussians(
        means=torch.randn(g, 3, generator=draw) * 2,
        quats=torch.randn(g, 4, generator=draw),
        log_scales=torch.randn(g, 3, generator=draw) - 4,
        opacity_logits=torch.randn(g, generator=draw) * 2,
        sh=torch.randn(g, (degree + 1) ** 2, 3, generator=draw).clamp(-3, 3) * 0.3,
        antialiased=antialiased,
    )


def written_asset(g: int, degree: int = 3, *, antialiased: bool = False) -> SplatAsset:
    return SplatAsset(likely_gaussians(g, degree, antialiased=antialiased), "colmap", (0.0, -1.0, 0.0))


def matched(read: Gaussians, written: Gaussians) -> Gaussians:
    """What was read, in the order of what was written: formats may sort. By nearest position, each used once."""
    distance = torch.cdist(written.means.double(), read.means.double())
    nearest = distance.argmin(dim=1)
    assert len(nearest.unique()) == len(written)
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    return replace(read, **{name: getattr(read, name)[nearest] for name in names})
