"""`.ksplat`, read only: GaussianSplats3D's buckets of Gaussians. Source: that viewer's published buffer layout.

4096 bytes of header, 1024 for each section, then each section's buckets and records. A level of 0 stores plain floats;
levels 1 and 2 store positions as 16-bit steps from the middle of the record's bucket, sizes and quaternions (wxyz) as
half floats, harmonics as half floats or bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch.nn.functional import pad

from recon.io.splats.arrays import gaussians_from
from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import SH_CONSTANT, logits_of_bytes, unit_quaternions
from recon.io.splats.damage import MOST_SPLATS, damaged, read_file
from recon.types import Gaussians

__all__ = ["read_ksplat"]

_HEADER, _SECTION = 4096, 1024
_COEFFICIENTS = (0, 3, 8)
_BANDS = ((0, 3), (3, 8))
_LEVELS = (("<f4", "<f4", "<f4", "<f4"), ("<u2", "<f2", "<f2", "<f2"), ("<u2", "<f2", "<f2", "u1"))
"""Types of position, size, quaternion and harmonics."""
_DEFAULT_RANGE = (1, 32767, 32767)
_FAINTEST_SIZE = 1e-12


@dataclass(frozen=True)
class _Section:
    """A part of the file whose records are alike."""

    count: int
    room: int
    """Records there is space for."""
    bucket_size: int
    buckets: int
    block: float
    """Side of the cube around a bucket's middle that positions are steps in."""
    bucket_bytes: int
    range: int
    full: int
    partial: int
    degree: int


def read_ksplat(path: Path) -> SplatAsset:
    """All sections in order."""
    data = read_file(path)
    if len(data) < _HEADER or data[0] != 0 or data[1] < 1:
        raise damaged(path, "it does not begin as .ksplat 0.1 does")
    sections, count, level = (*struct.unpack_from("<I", data, 4), *struct.unpack_from("<IH", data, 16))
    low, high = struct.unpack_from("<ff", data, 36)
    low, high = (low, high) if np.isfinite([low, high]).all() and low < high else (-1.5, 1.5)
    if level >= len(_LEVELS) or _HEADER + sections * _SECTION > len(data) or not 0 < count <= MOST_SPLATS:
        raise damaged(path, f"its header says {sections} sections, {count} splats, level {level}")
    start, parts = _HEADER + sections * _SECTION, []
    for index in range(sections):
        section = _section(path, data, _HEADER + index * _SECTION, level)
        row = _row(section.degree, level)
        records = start + section.partial * 4 + section.bucket_bytes * section.buckets
        end = records + section.room * row.itemsize
        if end > len(data):
            raise damaged(path, "it ends before its last section does")
        if section.count > 0:
            rows = np.frombuffer(data, dtype=row, count=section.count, offset=records)
            parts.append(_decode(rows, _middles(path, data, start, section), section, (low, high)))
        start = end
    if sum(len(part) for part in parts) != count:
        raise damaged(path, f"it promises {count} splats and holds {sum(len(part) for part in parts)}")
    return SplatAsset(_joined(parts))


def _section(path: Path, data: bytes, at: int, level: int) -> _Section:
    count, room, bucket_size, buckets, block, bucket_bytes, reach, full, partial, degree = struct.unpack_from(
        "<IIIIfH2xI4xIIH", data, at
    )
    sound = count <= room and degree < len(_COEFFICIENTS) and full + partial == buckets and bucket_bytes in (0, 12)
    if not sound or not np.isfinite(block):
        raise damaged(path, "a section's header contradicts itself")
    return _Section(
        count, room, bucket_size, buckets, block, bucket_bytes, reach or _DEFAULT_RANGE[level], full, partial, degree
    )


def _row(degree: int, level: int) -> np.dtype:
    position, size, rotation, harmonics = _LEVELS[level]
    fields = [("position", position, 3), ("size", size, 3), ("rotation", rotation, 4), ("colour", "u1", 4)]
    return np.dtype([*fields, ("harmonics", harmonics, 3 * _COEFFICIENTS[degree])])


def _middles(path: Path, data: bytes, start: int, section: _Section) -> Float[np.ndarray, "g 3"]:
    """Middle of each record's bucket: full ones first, then partly filled ones of the sizes listed."""
    if section.buckets == 0:
        return np.zeros((section.count, 3), dtype=np.float32)
    filled = np.frombuffer(data, "<u4", section.partial, start).astype(np.int64)
    sizes: Int[np.ndarray, "b"] = np.concatenate([np.full(section.full, section.bucket_size, dtype=np.int64), filled])
    if (sizes > section.count).any() or sizes.sum() < section.count or section.bucket_bytes == 0:
        raise damaged(path, "its buckets do not hold its splats")
    middles = np.frombuffer(data, "<f4", 3 * section.buckets, start + 4 * section.partial).reshape(-1, 3)
    bucket = np.searchsorted(np.cumsum(sizes), np.arange(section.count), side="right")
    return middles[bucket]


def _decode(
    rows: np.ndarray, middles: Float[np.ndarray, "g 3"], section: _Section, limits: tuple[float, float]
) -> Gaussians:
    means = rows["position"].astype(np.float32)
    if rows["position"].dtype == np.uint16:
        means = (means - section.range) * (section.block / 2 / section.range) + middles
    harmonics = rows["harmonics"].astype(np.float32)
    if rows["harmonics"].dtype == np.uint8:
        harmonics = limits[0] + harmonics / 255 * (limits[1] - limits[0])
    sh = np.empty((len(rows), _COEFFICIENTS[section.degree] + 1, 3), dtype=np.float32)
    sh[:, 0] = (rows["colour"][:, :3].astype(np.float32) / 255 - 0.5) / SH_CONSTANT
    for first, last in _BANDS[: section.degree]:  # in a band all of red, then green, then blue
        sh[:, 1 + first : 1 + last] = harmonics[:, 3 * first : 3 * last].reshape(len(rows), 3, -1).swapaxes(1, 2)
    with np.errstate(over="ignore", invalid="ignore"):
        return gaussians_from(
            means=means,
            quats=unit_quaternions(rows["rotation"].astype(np.float32)),
            log_scales=np.log(np.maximum(rows["size"].astype(np.float32), _FAINTEST_SIZE)),
            opacity_logits=logits_of_bytes(rows["colour"][:, 3]),
            sh=sh,
        )


def _joined(parts: list[Gaussians]) -> Gaussians:
    """All sections, with as many bands as the richest has."""
    k = max(part.sh.shape[1] for part in parts)
    return Gaussians(
        means=torch.cat([part.means for part in parts]),
        quats=torch.cat([part.quats for part in parts]),
        log_scales=torch.cat([part.log_scales for part in parts]),
        opacity_logits=torch.cat([part.opacity_logits for part in parts]),
        sh=torch.cat([pad(part.sh, (0, 0, 0, k - part.sh.shape[1])) for part in parts]),
    )
