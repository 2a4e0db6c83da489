"""Gaussians into a file, in the frame the input came in."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError, RunError
from recon.io.ply import read_ply, write_ply
from recon.types import Gaussians, Scene

__all__ = ["export_splats", "moved", "splat_format"]

_WRITERS: dict[str, Callable[..., None]] = {".ply": write_ply}
_READERS: dict[str, Callable[[Path], Gaussians]] = {".ply": read_ply}


def splat_format(path: Path) -> str:
    """The suffix, when splats can be written so; raises `InputError` before any work is done otherwise."""
    suffix = path.suffix.lower()
    if suffix not in _WRITERS:
        raise InputError(
            f"recon cannot write {path.name}: it writes {', '.join(sorted(_WRITERS))}.",
            advice="Give the file one of these endings.",
        )
    return suffix


def export_splats(gaussians: Gaussians, scene: Scene, path: Path) -> Gaussians:
    """Write world-frame `gaussians` in the input frame, read the file back and compare; what was written.

    Gaussians with a number that is not finite are left out: no program can show them.
    """
    suffix = splat_format(path)
    kept = moved(_finite(gaussians), scene.input_from_world)
    _WRITERS[suffix](kept, path, up=[float(value) for value in scene.up])
    read = _READERS[suffix](path)
    if not all(
        torch.equal(getattr(read, name), getattr(kept, name).cpu())
        for name in ("means", "quats", "log_scales", "opacity_logits", "sh")
    ):
        raise RunError(f"{path} does not read back as it was written.", advice="Check the disk and export again.")
    return kept


def moved(gaussians: Gaussians, b_from_a: Float[Tensor, "4 4"]) -> Gaussians:
    """Gaussians of frame a in frame b, which differ by a translation and a uniform scale only.

    Without a rotation, quaternions and spherical harmonics stay. Sums are taken in double precision: a georeferenced
    frame has its origin far away.
    """
    exact = b_from_a.double().to(gaussians.means.device)
    scale = float(exact[0, 0])
    return replace(
        gaussians,
        means=(gaussians.means.double() * scale + exact[:3, 3]).float(),
        log_scales=(gaussians.log_scales.double() + math.log(scale)).float(),
    )


def _finite(gaussians: Gaussians) -> Gaussians:
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    rows = [getattr(gaussians, name).detach().flatten(1 if name != "opacity_logits" else 0) for name in names]
    good = torch.stack([row.isfinite().all(dim=-1) if row.ndim > 1 else row.isfinite() for row in rows]).all(dim=0)
    return replace(gaussians, **{name: getattr(gaussians, name).detach()[good] for name in names})
