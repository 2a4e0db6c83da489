"""Splats as the PLY file of 3D Gaussian splatting (Kerbl et al. 2023), which every splat program reads.

One vertex is a Gaussian before the activations: x y z, nx ny nz (zeros), f_dc_0..2, f_rest_* (all of red, then green,
then blue), opacity, scale_0..2, rot_0..3 (wxyz), all float32; where splats have labels, one more, last: label. What the
format has no field for stands in comments (`recon.io.splats.ply_notes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from jaxtyping import Float

from recon.errors import InputError
from recon.io.disk import whole
from recon.io.frames import FrameName
from recon.io.ply_header import PlyHeader, read_header
from recon.io.splats.arrays import columns_of, gaussians_from
from recon.io.splats.labels import Labels, comments_of_labels, names_in
from recon.io.splats.ply_notes import comments_of, is_antialiased
from recon.types import Gaussians

__all__ = ["read_labels", "read_ply", "write_ply"]

_REST_COUNTS = (0, 9, 24, 45)
_LABEL = "label"
"""Of type float as all others: programs that read rows of one type keep their step."""
_MOST_LABELS = 1 << 16
_ROWS = 8192
"""Rows handled at a time, so that a piece stays in the processor's cache while it is turned around."""


def write_ply(
    gaussians: Gaussians,
    path: Path,
    *,
    up: Sequence[float] | None = None,
    frame: FrameName | None = None,
    labels: Labels | None = None,
) -> None:
    """Write `gaussians` as they are. The file appears whole or not at all."""
    names = _names(gaussians.sh.shape[1])
    comments = comments_of(antialiased=gaussians.antialiased, frame=frame, up=up)
    width = len(names)
    if labels is not None:
        names, comments = [*names, _LABEL], [*comments, *comments_of_labels(labels)]
    header = ["ply", "format binary_little_endian 1.0", *comments, f"element vertex {len(gaussians)}"]
    header += [*(f"property float {name}" for name in names), "end_header", ""]
    means, quats, log_scales, logits, sh = columns_of(gaussians)
    rows = np.zeros((_ROWS, len(names)), dtype="<f4")
    with whole(path) as unfinished, unfinished.open("wb") as file:
        file.write("\n".join(header).encode("ascii"))
        for start in range(0, len(means), _ROWS):
            some = slice(start, start + _ROWS)
            lines = rows[: len(means[some])]
            piece = lines[:, :width]
            piece[:, 0:3], piece[:, 6:9] = means[some], sh[some, 0]
            piece[:, 9:-8].reshape(len(piece), 3, -1)[...] = sh[some, 1:].swapaxes(1, 2)
            piece[:, -8], piece[:, -7:-4], piece[:, -4:] = logits[some], log_scales[some], quats[some]
            if labels is not None:
                lines[:, width] = labels.numbers[some].numpy()
            file.write(lines.data)


def read_ply(path: Path) -> Gaussians:
    """Gaussians of a 3DGS PLY: binary of either byte order or ASCII, properties in any order, unknown ones skipped."""
    header = read_header(path)
    rest = sum(name.startswith("f_rest_") for name in header.names)
    _check_names(path, header, rest)
    k = rest // 3 + 1
    names = _names(k)
    means, quats, log_scales = (np.empty((header.count, n), dtype=np.float32) for n in (3, 4, 3))
    logits, sh = np.empty(header.count, dtype=np.float32), np.empty((header.count, k, 3), dtype=np.float32)
    start = 0
    for piece in _pieces(path, header, [*names[:3], *names[6:]]):
        some = slice(start, start + len(piece))
        means[some], sh[some, 0] = piece[:, 0:3], piece[:, 3:6]
        sh[some, 1:] = piece[:, 6:-8].reshape(len(piece), 3, k - 1).swapaxes(1, 2)
        logits[some], log_scales[some], quats[some] = piece[:, -8], piece[:, -7:-4], piece[:, -4:]
        start += len(piece)
    return gaussians_from(
        means=means,
        quats=quats,
        log_scales=log_scales,
        opacity_logits=logits,
        sh=sh,
        antialiased=is_antialiased(header),
    )


def read_labels(path: Path) -> Labels | None:
    """Of the splats of a 3DGS PLY; None where it has none, or what it calls so are no numbers of things."""
    header = read_header(path)
    if _LABEL not in header.names:
        return None
    numbers = np.concatenate([np.zeros(0), *(piece[:, 0] for piece in _pieces(path, header, [_LABEL]))])
    sound = np.isfinite(numbers).all() and (numbers == numbers.round()).all() and (numbers >= 0).all()
    if not sound or (len(numbers) > 0 and numbers.max() > _MOST_LABELS):
        return None
    return Labels(torch.from_numpy(numbers.astype(np.int32)), names_in(header, int(numbers.max(initial=0))))


def _names(k: int) -> list[str]:
    names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    names += [f"f_rest_{i}" for i in range(3 * (k - 1))]
    return [*names, "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3"]


def _check_names(path: Path, header: PlyHeader, rest: int) -> None:
    names = set(header.names)
    missing = [name for name in _names(1) if name not in names and name not in ("nx", "ny", "nz")]
    if missing:
        raise InputError(
            f"{path} holds no Gaussian splats: it has no {', '.join(missing)}.",
            advice="Open meshes and point clouds in Blender or MeshLab; splats come from Gaussian splatting programs.",
        )
    if rest not in _REST_COUNTS or any(f"f_rest_{i}" not in names for i in range(rest)):
        raise InputError(
            f"{path} has {rest} f_rest properties; spherical harmonics of degree 0 to 3 have 0, 9, 24 or 45.",
            advice="Export the splats again with spherical harmonics of degree 3 or lower.",
        )


def _pieces(path: Path, header: PlyHeader, names: Sequence[str]) -> Iterator[Float[np.ndarray, "rows columns"]]:
    """The named columns as float32, some rows at a time."""
    row, order = header.vertex.row, [header.names.index(name) for name in names]
    plain = set(header.kinds) == {"<f4"}
    with path.open("rb") as file:
        file.seek(header.data_start)
        if header.format == "ascii":
            yield _numbers(path, file, header)[:, order]
            return
        for start in range(0, header.count, _ROWS):
            count = min(_ROWS, header.count - start)
            table = np.frombuffer(file.read(count * row.itemsize), dtype=row, count=count)
            if plain:
                yield table.view("<f4").reshape(count, -1)[:, order]
            else:
                yield np.stack([table[name].astype(np.float32) for name in names], axis=1)


def _numbers(path: Path, file: BinaryIO, header: PlyHeader) -> Float[np.ndarray, "rows columns"]:
    lines = [line.split() for _, line in zip(range(header.count), file, strict=False)]
    try:
        if len(lines) < header.count:
            raise ValueError
        return np.array(lines, dtype=np.float64).reshape(header.count, len(header.names)).astype(np.float32)
    except ValueError:
        raise InputError(
            f"{path}: its text does not hold {header.count} rows of {len(header.names)} numbers.",
            advice="Copy or export the file again.",
        ) from None
