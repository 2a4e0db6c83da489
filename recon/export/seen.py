"""What a run's cameras see, as kinds of the table: mesh, cloud, depth maps, cameras."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from recon.errors import InputError
from recon.export.clouds import export_cloud
from recon.export.colmap_folder import export_colmap
from recon.export.depths import export_depths
from recon.export.meshes import export_mesh
from recon.export.work import Progress, Work, Written

__all__ = ["write_cameras", "write_cloud", "write_depths", "write_mesh"]


def write_mesh(work: Work, path: Path, progress: Progress) -> Written:
    """The mesh that the model's depth maps agree on, textured where photos are at hand; read back, compared."""
    made = export_mesh(
        work.model,
        work.scene,
        path,
        config=work.mesh,
        output_from_world=work.output_from_world(work.frame),
        photos=work.has_photos,
        progress=progress,
    )
    says = f"{made.faces:,} triangles, read back the same"
    if made.texture is not None:
        says += f", texture {made.texture[0]}x{made.texture[1]}"
    facts = asdict(made)
    if made.psnr is not None and math.isfinite(made.psnr):
        says += f", {made.psnr:.1f} dB against the photos"
    else:
        facts["psnr"] = None
    return Written(says, _framed(work, facts))


def write_cloud(work: Work, path: Path, progress: Progress) -> Written:
    frame = work.output_from_world(work.frame)
    count = export_cloud(work.model, work.scene, path, output_from_world=frame, progress=progress)
    return Written(f"{count:,} points with colours and normals", _framed(work, {"points": count}))


def write_depths(work: Work, path: Path, progress: Progress) -> Written:
    if path.suffix == "":
        _free(path)
    scale = float(abs(np.linalg.det(work.output_from_world(work.frame)[:3, :3])) ** (1 / 3))
    count = export_depths(work.model, work.scene, path, scale=scale, progress=progress)
    return Written(f"{count} depth maps", _framed(work, {"views": count}))


def write_cameras(work: Work, path: Path, progress: Progress) -> Written:
    _free(path)
    frame = work.output_from_world(work.frame)
    count = export_colmap(work.scene, path, output_from_world=frame, photos=work.has_photos, progress=progress)
    pictures = "with" if work.has_photos else "without"
    return Written(f"COLMAP model of {count} cameras, {pictures} their pictures", _framed(work, {"views": count}))


def _free(path: Path) -> None:
    """Nobody's folder is replaced, before any work is done: photos may lie in it."""
    if path.is_dir() and any(path.iterdir()):
        raise InputError(f"The folder {path} is there already.", advice="Name a new folder, or empty this one.")


def _framed(work: Work, facts: dict[str, Any]) -> dict[str, Any]:
    return {"frame": work.frame or "input", **facts}
