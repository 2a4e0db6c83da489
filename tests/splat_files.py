"""Gaussians like those of trained scenes, in number and spread, and how near a format has to keep them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from recon.geometry import rotation_from_quaternion
from recon.io.splats.asset import SplatAsset
from recon.types import Gaussians

__all__ = ["PALETTES", "SAMPLES", "STEPS", "angles", "assert_close", "likely_gaussians", "matched", "written_asset"]

SAMPLES = Path("importer") / "splats"
"""Below the data folder: files that other programs wrote."""
STEPS = {  # largest errors of position, orientation (radians), log scale, opacity and colour coefficients
    ".ply": (0, 1e-6, 0, 0, 0),
    ".compressed.ply": (2e-2, 4e-3, 6e-3, 3e-3, 2e-2),  # a chunk here spans 10 units, far more than in a real scene
    ".splat": (0, 2e-2, 1e-5, 3e-3, 8e-3),
    # SPZ's steps follow how much a splat is seen and how thin it is; these are seen alike, and turns of balls unseen.
    ".spz": (8e-3, 5e-2, 3.2e-2, 5e-3, 7e-2),
    ".html": (8e-3, 5e-2, 3.2e-2, 5e-3, 7e-2),  # SPZ inside
    # SOG drops bits of positions below a share of the smaller Gaussians' size; more of them, in metres, far out.
    ".sog": (6e-3, 4e-2, 0.25, 6e-3, 0.15),
    "meta.json": (6e-3, 4e-2, 0.25, 6e-3, 0.15),
    ".glb": (0, 1e-6, 1e-5, 1e-6, 0),
}
PALETTES = (".sog", "meta.json")
"""Their view-dependent colours are one of few, and noise, as here, does not come in few kinds."""


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
    """All of them seen alike."""
    gaussians = likely_gaussians(g, degree, antialiased=antialiased)
    return SplatAsset(gaussians, "colmap", (0.0, -1.0, 0.0), weights=torch.ones(g))


def matched(read: Gaussians, written: Gaussians) -> Gaussians:
    """What was read, in the order of what was written: formats may sort. By nearest position, each used once."""
    distance = torch.cdist(written.means.double(), read.means.double())
    nearest = distance.argmin(dim=1)
    assert len(nearest.unique()) == len(written)
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    return replace(read, **{name: getattr(read, name)[nearest] for name in names})


def angles(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Largest sine between axes of ellipsoids, which look the same along an axis and against it."""
    first, second = (torch.from_numpy(rotation_from_quaternion(q.double().numpy())) for q in (a, b))
    return torch.linalg.cross(first, second, dim=1).norm(dim=1).amax(dim=1)


def assert_close(read: Gaussians, written: Gaussians, ending: str) -> None:
    position, angle, scale, opacity, colour = STEPS[ending]
    k = min(read.sh.shape[1], 1 if ending in PALETTES else written.sh.shape[1])
    assert float((read.means - written.means).abs().max()) <= position
    assert float(angles(read.quats, written.quats).max()) <= angle
    assert float((read.log_scales - written.log_scales).abs().max()) <= scale
    assert float((read.opacity_logits.sigmoid() - written.opacity_logits.sigmoid()).abs().max()) <= opacity
    assert float((read.sh[:, :k] - written.sh[:, :k]).abs().max()) <= colour
