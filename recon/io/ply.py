"""Splats as the PLY file of 3D Gaussian splatting (Kerbl et al. 2023), which every splat program reads.

One vertex is a Gaussian before the activations: x y z, nx ny nz (zeros), f_dc_0..2, f_rest_* (all of red, then green,
then blue), opacity, scale_0..2, rot_0..3 (wxyz), all float32. What the format has no field for stands in comments:

    comment recon antialiased 1        trained with the 2D Mip filter
    comment recon up 0 -1 0            unit vector against gravity
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from recon.errors import InputError
from recon.io.disk import unwritable
from recon.io.ply_header import PlyHeader, read_header
from recon.types import Gaussians

__all__ = ["read_ply", "write_ply"]

_REST_COUNTS = (0, 9, 24, 45)


def write_ply(gaussians: Gaussians, path: Path, *, up: Sequence[float] | None = None) -> None:
    """Write `gaussians` as they are. The file appears whole or not at all."""
    names = _names(gaussians.sh.shape[1])
    comments = [f"comment recon antialiased {int(gaussians.antialiased)}"]
    if up is not None:
        comments.append("comment recon up " + " ".join(f"{value:.9g}" for value in up))
    header = ["ply", "format binary_little_endian 1.0", *comments, f"element vertex {len(gaussians)}"]
    header += [*(f"property float {name}" for name in names), "end_header", ""]
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("wb") as file:
            file.write("\n".join(header).encode("ascii"))
            file.write(_table(gaussians).tobytes())
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise unwritable(path, error) from error


def read_ply(path: Path) -> Gaussians:
    """Gaussians of a 3DGS PLY: binary of either byte order or ASCII, properties in any order, unknown ones skipped."""
    header = read_header(path)
    rest = sum(name.startswith("f_rest_") for name in header.names)
    _check_names(path, header, rest)
    columns = _columns(path, header)
    k = rest // 3 + 1

    def pick(*names: str) -> torch.Tensor:
        picked = np.empty((header.count, len(names)), dtype=np.float32)
        for i, name in enumerate(names):
            picked[:, i] = columns[name]
        return torch.from_numpy(picked)

    sh = torch.empty(header.count, k, 3)
    sh[:, 0] = pick("f_dc_0", "f_dc_1", "f_dc_2")
    if rest > 0:
        sh[:, 1:] = pick(*(f"f_rest_{i}" for i in range(rest))).reshape(header.count, 3, k - 1).mT
    return Gaussians(
        means=pick("x", "y", "z"),
        quats=pick("rot_0", "rot_1", "rot_2", "rot_3"),
        log_scales=pick("scale_0", "scale_1", "scale_2"),
        opacity_logits=pick("opacity")[:, 0],
        sh=sh,
        antialiased=header.note("antialiased") == "1",
    )


def _names(k: int) -> list[str]:
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(3 * (k - 1))]
    return [*names, "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


def _table(gaussians: Gaussians) -> Float[np.ndarray, "g columns"]:
    g = len(gaussians)
    columns = [
        gaussians.means,
        torch.zeros(g, 3),
        gaussians.sh[:, 0],
        gaussians.sh[:, 1:].mT.flatten(1),
        gaussians.opacity_logits[:, None],
        gaussians.log_scales,
        gaussians.quats,
    ]
    return torch.cat([column.detach().float().cpu() for column in columns], dim=1).numpy().astype("<f4", copy=False)


def _check_names(path: Path, header: PlyHeader, rest: int) -> None:
    names = set(header.names)
    if "packed_position" in names:
        raise InputError(
            f"{path} is a SuperSplat-compressed PLY, which recon cannot read yet.",
            advice="Open it in SuperSplat and export it as an uncompressed PLY.",
        )
    missing = [name for name in _names(1) if name not in names and name not in ("nx", "ny", "nz")]
    if missing:
        raise InputError(
            f"{path} holds no Gaussian splats: it has no {', '.join(missing)}.",
            advice="Pass a PLY written by a 3D Gaussian splatting program, not a point cloud or a mesh.",
        )
    if rest not in _REST_COUNTS or any(f"f_rest_{i}" not in names for i in range(rest)):
        raise InputError(
            f"{path} has {rest} f_rest properties; spherical harmonics of degree 0 to 3 have 0, 9, 24 or 45.",
            advice="Export the splats again with spherical harmonics of degree 3 or lower.",
        )


def _columns(path: Path, header: PlyHeader) -> np.ndarray:
    """The vertices as a structured array, checked against the file's size before anything is allocated."""
    row = np.dtype([(name, kind) for name, kind in zip(header.names, header.kinds, strict=True)])
    available = path.stat().st_size - header.data_start
    needed = header.count * row.itemsize if header.format != "ascii" else header.count * 2 * len(header.names) - 1
    if needed > available:
        raise InputError(
            f"{path} is cut off: its header promises {header.count} splats, {needed} bytes, and {available} follow.",
            advice="Copy or export the file again.",
        )
    if header.format != "ascii":
        return np.fromfile(path, dtype=row, count=header.count, offset=header.data_start)
    with path.open("rb") as file:
        file.seek(header.data_start)
        lines = file.read().split(b"\n")[: header.count]
    try:
        rows = [tuple(float(word) for word in line.split()) for line in lines]
        if len(rows) != header.count or any(len(values) != len(header.names) for values in rows):
            raise ValueError
        return np.array(rows, dtype=[(name, "<f8") for name in header.names])
    except ValueError:
        raise InputError(
            f"{path}: its text does not hold {header.count} rows of {len(header.names)} numbers.",
            advice="Copy or export the file again.",
        ) from None
