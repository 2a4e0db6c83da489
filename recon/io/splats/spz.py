"""SPZ, Niantic's compressed splats, versions 2 to 4. Source: the format's README and header definitions.

Version 4 is a header of 32 bytes, extensions, a table of packed and unpacked sizes, and one zstd stream for each
attribute; versions 2 and 3 are one gzip stream of a header of 16 bytes and the same attributes: positions as 24-bit
fixed point numbers, opacities, colours, log scales, quaternions (xyzw) and harmonics. Axes are OpenGL's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float, UInt8

from recon.io.disk import whole
from recon.io.splats.arrays import columns_of, gaussians_from
from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import (
    drop_largest,
    logits_of_bytes,
    restore_largest,
    rounded,
    unit_quaternions,
)
from recon.io.splats.damage import damaged, read_file
from recon.io.splats.outliers import drawn_in
from recon.io.splats.rounding import leeway, steps, to_steps, visible_bytes
from recon.io.splats.spz_container import Header, Streams, pack, unpack
from recon.ops.blocks import morton_order

__all__ = ["SpzVersion", "read_spz", "splats_of_spz", "spz_bytes", "write_spz"]

SpzVersion = Literal[2, 3, 4]

_COLOUR_SCALE = 0.15
_SMALLEST_THREE = 511 * np.sqrt(2)
_FINEST_SHARE = 0.2
_MOST_FRACTIONAL_BITS = 20
# Steps of a Gaussian of mean weight, in what each number is stored in. Those of the others follow their weights.
_HARMONIC, _COLOUR, _OPACITY, _SCALE = 8, 3, 2, 1
_TURN = 16
"""Of a ball; of others in proportion to least over largest scale."""
_PLACE = 0.14
"""As a share of the least scale."""


def read_spz(path: Path) -> SplatAsset:
    """Positions, orientations and harmonics in the file's own axes, OpenGL's."""
    return splats_of_spz(path, read_file(path))


def write_spz(asset: SplatAsset, path: Path, *, version: SpzVersion = 4) -> None:
    """See `spz_bytes`."""
    data = spz_bytes(asset, path, version=version)
    with whole(path) as unfinished:
        unfinished.write_bytes(data)


def splats_of_spz(path: Path, data: bytes) -> SplatAsset:
    """Of the bytes of a file; `path` is for errors."""
    header, streams = unpack(path, data)
    sh = np.zeros((header.count, min(header.harmonics, 15) + 1, 3), dtype=np.float32)
    sh[:, 0] = (_bytes(streams.colours, 3).astype(np.float32) / 255 - 0.5) / _COLOUR_SCALE
    further = np.frombuffer(streams.harmonics, dtype=np.uint8).reshape(header.count, header.harmonics, 3)
    sh[:, 1:] = (further[:, : sh.shape[1] - 1].astype(np.float32) - 128) / 128
    rotations = _smallest_three if header.version >= 3 else _first_three
    notes = ["the fourth band of its colours is left out"] if header.harmonics > 15 else []
    if header.has_extensions:
        notes.append("extensions of other programs are left out")
    gaussians = gaussians_from(
        means=_positions(streams.positions, header.fractional_bits),
        quats=rotations(streams.rotations),
        log_scales=_bytes(streams.scales, 3).astype(np.float32) / 16 - 10,
        opacity_logits=logits_of_bytes(_bytes(streams.opacities, 1)[:, 0]),
        sh=sh,
        antialiased=header.antialiased,
    )
    return SplatAsset(gaussians, "opengl", (0.0, 1.0, 0.0), tuple(notes))


def spz_bytes(asset: SplatAsset, path: Path, *, version: SpzVersion) -> bytes:
    """Nearby Gaussians side by side, so that positions pack well; as many fractional bits as the smallest need."""
    gaussians = asset.in_frame("opengl").gaussians
    order = morton_order(gaussians.means.cpu()).numpy()
    means, quats, log_scales, logits, sh = (column[order] for column in columns_of(gaussians))
    loose = leeway(asset)[order]
    means, log_scales = drawn_in(means, log_scales)
    bits = _fractional_bits(means, log_scales)
    least, largest = (np.exp(find(log_scales, axis=1, keepdims=True)) for find in (np.min, np.max))
    fixed = to_steps(means * 2.0**bits, steps(_PLACE * least * 2.0**bits * np.minimum(loose, 4), most=1 << 12))
    if np.abs(fixed).max(initial=0) >= 1 << 23:
        raise damaged(path, "its positions are too far from the origin for SPZ's 24 bits")
    units = unit_quaternions(quats)
    further = to_steps(sh[:, 1:].reshape(len(sh), 3 * sh.shape[1] - 3) * 128, steps(_HARMONIC * loose, most=128)) + 128
    turns = steps(_TURN * loose * least / largest, most=64)
    streams = Streams(
        positions=np.ascontiguousarray(fixed.astype("<i4")[..., None].view(np.uint8)[..., :3]).tobytes(),
        opacities=visible_bytes(logits, steps(_OPACITY * loose, most=16)).tobytes(),
        colours=rounded(to_steps((sh[:, 0] * _COLOUR_SCALE + 0.5) * 255, steps(_COLOUR * loose, most=16))).tobytes(),
        scales=rounded(to_steps((log_scales + 10) * 16, steps(_SCALE * loose, most=4))).tobytes(),
        rotations=_three_of(units, turns) if version >= 3 else _xyz_of(units),
        harmonics=rounded(further).tobytes(),
    )
    header = Header(
        version=version,
        count=len(means),
        degree=int(sh.shape[1] ** 0.5) - 1,
        fractional_bits=bits,
        antialiased=gaussians.antialiased,
    )
    return pack(header, streams)


def _bytes(stream: bytes, width: int) -> UInt8[np.ndarray, "g width"]:
    return np.frombuffer(stream, dtype=np.uint8).reshape(-1, width)


def _positions(stream: bytes, fractional_bits: int) -> Float[np.ndarray, "g 3"]:
    low = np.zeros((len(stream) // 3, 4), dtype=np.uint8)
    low[:, 1:] = np.frombuffer(stream, dtype=np.uint8).reshape(-1, 3)
    fixed = low.view("<i4") >> 8  # the sign comes down from the top
    return (fixed.reshape(-1, 3) * 2.0**-fractional_bits).astype(np.float32)


def _fractional_bits(means: Float[np.ndarray, "g 3"], log_scales: Float[np.ndarray, "g 3"]) -> int:
    """So many that positions are exact to a tenth of the smaller Gaussians, as far as the range allows."""
    if len(means) == 0:
        return 12
    small = float(np.exp(np.quantile(log_scales, 0.1)))
    wanted = int(np.ceil(-np.log2(max(_FINEST_SHARE * small, 1e-9))))
    room = 22 - int(np.ceil(np.log2(max(float(np.abs(means).max()), 1e-6))))
    return max(0, min(wanted, room, _MOST_FRACTIONAL_BITS))


def _three_of(quats: Float[np.ndarray, "g 4"], step: Float[np.ndarray, "g 1"]) -> bytes:
    """2 bits say which of xyzw is the largest, 10 bits each have sign and size of the others."""
    largest, others = drop_largest(quats[:, [1, 2, 3, 0]])
    sizes = np.minimum(to_steps(np.abs(others) * _SMALLEST_THREE, step), 511).astype(np.uint32)
    parts = sizes | ((others < 0).astype(np.uint32) << 9)
    words = (largest.astype(np.uint32) << 30) | (parts[:, 0] << 20) | (parts[:, 1] << 10) | parts[:, 2]
    return words.astype("<u4").tobytes()


def _smallest_three(stream: bytes) -> Float[np.ndarray, "g 4"]:
    words = np.frombuffer(stream, dtype="<u4").astype(np.uint32)
    parts = np.stack([(words >> shift) & 1023 for shift in (20, 10, 0)], axis=1)
    others = (parts & 511).astype(np.float32) / np.float32(_SMALLEST_THREE)
    others = np.where(parts >> 9 == 1, -others, others)
    return restore_largest((words >> 30).astype(np.int64), others)[:, [3, 0, 1, 2]]


def _xyz_of(quats: Float[np.ndarray, "g 4"]) -> bytes:
    upward = np.where(quats[:, :1] < 0, -quats, quats)
    return rounded((upward[:, 1:] + 1) * 127.5).tobytes()


def _first_three(stream: bytes) -> Float[np.ndarray, "g 4"]:
    xyz = _bytes(stream, 3).astype(np.float32) / 127.5 - 1
    w = np.sqrt(np.maximum(0, 1 - (xyz * xyz).sum(axis=1, keepdims=True)))
    return unit_quaternions(np.concatenate([w, xyz], axis=1))
