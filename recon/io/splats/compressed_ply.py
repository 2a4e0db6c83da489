"""PlayCanvas's compressed PLY: chunks of 256 Gaussians with their own ranges. Source: PlayCanvas's documentation.

Element `chunk` has the least and largest position, log scale and base colour of its Gaussians as 18 floats; element
`vertex` four 32-bit words each: position 11-10-11 bits, quaternion (which is largest in 2 bits, the others in 10),
log scale 11-10-11, colour and opacity 8-8-8-8, all from the highest bit down. Element `sh`, where there is one, has a
byte for each further coefficient, all of red, then green, then blue, from -4 to 4.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8, UInt32

from recon.io.disk import whole
from recon.io.ply_header import PlyHeader, read_header
from recon.io.splats.arrays import columns_of, gaussians_from
from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import (
    SH_CONSTANT,
    bytes_of_opacities,
    drop_largest,
    logits_of_bytes,
    restore_largest,
    unit_quaternions,
)
from recon.io.splats.damage import damaged
from recon.io.splats.outliers import drawn_in, far_out
from recon.io.splats.ply_notes import comments_of, frame_in, is_antialiased, up_in
from recon.ops.blocks import morton_order

__all__ = ["is_compressed_ply", "read_compressed_ply", "write_compressed_ply"]

_CHUNK = 256
_CHUNK_NAMES = [
    *(f"{end}_{axis}" for end in ("min", "max") for axis in "xyz"),
    *(f"{end}_scale_{axis}" for end in ("min", "max") for axis in "xyz"),
    *(f"{end}_{channel}" for end in ("min", "max") for channel in "rgb"),
]
_WORDS = ["packed_position", "packed_rotation", "packed_scale", "packed_color"]
_WORD_BITS = (11, 10, 11)
_COLOUR_BITS = (8, 8, 8)
_SH_RANGE = 8.0
_LARGEST_LOG_SCALE = 20.0
_FURTHER = (0, 9, 24, 45)


def is_compressed_ply(header: PlyHeader) -> bool:
    return header.elements[0].name == "chunk"


def read_compressed_ply(path: Path) -> SplatAsset:
    """The Gaussians in the file's order, in the frame that recon wrote in its comments if it did."""
    header = read_header(path)
    chunks, vertices, further = _tables(path, header)
    ranges = np.repeat(chunks, _CHUNK, axis=0)[: len(vertices)]
    colours = _spread(vertices[:, 3] >> 8, _COLOUR_BITS, ranges[:, 12:15], ranges[:, 15:18])
    sh = np.zeros((len(vertices), further.shape[1] // 3 + 1, 3), dtype=np.float32)
    sh[:, 0] = (colours - 0.5) / SH_CONSTANT
    sh[:, 1:] = _further(further).reshape(len(vertices), 3, sh.shape[1] - 1).swapaxes(1, 2)
    gaussians = gaussians_from(
        means=_spread(vertices[:, 0], _WORD_BITS, ranges[:, 0:3], ranges[:, 3:6]),
        quats=_quaternions(vertices[:, 1]),
        log_scales=_spread(vertices[:, 2], _WORD_BITS, ranges[:, 6:9], ranges[:, 9:12]),
        opacity_logits=logits_of_bytes((vertices[:, 3] & 255).astype(np.uint8)),
        sh=sh,
        antialiased=is_antialiased(header),
    )
    return SplatAsset(gaussians, frame_in(header), up_in(header))


def write_compressed_ply(asset: SplatAsset, path: Path) -> None:
    """Neighbours share a chunk, so that its range is small; Gaussians far outside the scene come last."""
    means = asset.gaussians.means.cpu()
    far = torch.from_numpy(far_out(means.numpy()))  # last, in chunks of their own
    near, others = far.logical_not().nonzero()[:, 0], far.nonzero()[:, 0]
    order = torch.cat([some[morton_order(means[some])] for some in (near, others)]).numpy()
    means, quats, log_scales, logits, sh = (column[order] for column in columns_of(asset.gaussians))
    means, log_scales = drawn_in(means, log_scales)
    count, k = len(means), sh.shape[1]
    log_scales = np.clip(log_scales, -_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE)
    position_words, position_range = _gather(means, _WORD_BITS)
    scale_words, scale_range = _gather(log_scales, _WORD_BITS)
    colour_words, colour_range = _gather(sh[:, 0] * SH_CONSTANT + 0.5, _COLOUR_BITS)
    largest, others = drop_largest(unit_quaternions(quats))
    rotation_words = _pack(_rounded(others * np.sqrt(0.5) + 0.5, (10, 10, 10)), (10, 10, 10))
    rotation_words |= largest.astype(np.uint32) << 30
    opacity_words = (colour_words << 8) | bytes_of_opacities(logits)
    words = np.stack([position_words, rotation_words, scale_words, opacity_words], axis=1)
    chunks = np.concatenate([position_range, scale_range, colour_range], axis=1).astype("<f4")
    flags = comments_of(antialiased=asset.gaussians.antialiased, frame=asset.frame, up=asset.up)
    lines = ["ply", "format binary_little_endian 1.0", *flags, f"element chunk {len(chunks)}"]
    lines += [f"property float {name}" for name in _CHUNK_NAMES]
    lines += [f"element vertex {count}", *(f"property uint {name}" for name in _WORDS)]
    if k > 1:
        lines += [f"element sh {count}", *(f"property uchar f_rest_{i}" for i in range(3 * (k - 1)))]
    further = np.clip(np.floor((sh[:, 1:] / _SH_RANGE + 0.5) * 256), 0, 255).astype(np.uint8)
    with whole(path) as unfinished, unfinished.open("wb") as file:
        file.write("\n".join([*lines, "end_header", ""]).encode("ascii"))
        file.write(chunks.tobytes())
        file.write(words.astype("<u4").tobytes())
        file.write(np.ascontiguousarray(further.swapaxes(1, 2)).tobytes())


def _rounded(shares: Float[np.ndarray, "g 3"], bits: tuple[int, int, int]) -> UInt32[np.ndarray, "g 3"]:
    """Shares 0..1 of the largest number in so many bits."""
    most = np.array([(1 << n) - 1 for n in bits])
    return np.clip(np.rint(shares * most), 0, most).astype(np.uint32)


def _tables(
    path: Path, header: PlyHeader
) -> tuple[Float[np.ndarray, "c 18"], UInt32[np.ndarray, "g 4"], UInt8[np.ndarray, "g rest"]]:
    """The three elements."""
    elements = {element.name: element for element in header.elements}
    chunk, vertex, sh = elements["chunk"], elements["vertex"], elements.get("sh")
    names = [f"f_rest_{i}" for i in range(len(sh.names))] if sh is not None else []
    sound = (
        header.format == "binary_little_endian"
        and list(elements) == ["chunk", "vertex", "sh"][: len(elements)]
        and list(chunk.names) in (_CHUNK_NAMES, _CHUNK_NAMES[:12])
        and set(chunk.kinds) == {"<f4"}
        and (list(vertex.names), set(vertex.kinds)) == (_WORDS, {"<u4"})
        and (sh is None or (list(sh.names) == names and set(sh.kinds) == {"<u1"} and sh.count == vertex.count))
        and len(names) in _FURTHER
        and chunk.count == -(-vertex.count // _CHUNK)
    )
    if not sound:
        raise damaged(path, "its elements are not those of a compressed PLY")
    width = len(chunk.names)
    sizes = [chunk.count * width * 4, vertex.count * 16, vertex.count * len(names)]
    with path.open("rb") as file:
        file.seek(header.data_start)
        chunks, words, bytes_ = (file.read(size) for size in sizes)
    ranges = np.zeros((chunk.count, len(_CHUNK_NAMES)), dtype=np.float32)
    ranges[:, 15:] = 1  # colours of the older kind, without ranges, are shares of 0..1
    ranges[:, :width] = np.frombuffer(chunks, "<f4").reshape(-1, width)
    return (
        ranges,
        np.frombuffer(words, "<u4").reshape(-1, 4).astype(np.uint32, copy=False),
        np.frombuffer(bytes_, np.uint8).reshape(vertex.count, len(names)),
    )


def _gather(
    values: Float[np.ndarray, "g 3"], bits: tuple[int, int, int]
) -> tuple[UInt32[np.ndarray, "g"], Float[np.ndarray, "c 6"]]:
    """Words of the values as shares of their chunk's range, and the ranges: three least and three largest."""
    starts = np.arange(0, len(values), _CHUNK)
    if len(values) == 0:
        return np.zeros(0, np.uint32), np.zeros((0, 6), np.float32)
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    span = np.where(high > low, high - low, 1)
    first, width = (np.repeat(part, _CHUNK, axis=0)[: len(values)] for part in (low, span))
    return _pack(_rounded((values - first) / width, bits), bits), np.concatenate([low, high], axis=1)


def _pack(numbers: UInt32[np.ndarray, "g 3"], bits: tuple[int, int, int]) -> UInt32[np.ndarray, "g"]:
    return (numbers[:, 0] << (bits[1] + bits[2])) | (numbers[:, 1] << bits[2]) | numbers[:, 2]


def _unpack(words: UInt32[np.ndarray, "g"], bits: tuple[int, int, int]) -> Float[np.ndarray, "g 3"]:
    """Shares 0..1."""
    shifts = (bits[1] + bits[2], bits[2], 0)
    parts = [
        ((words >> shift) & ((1 << n) - 1)) / np.float32((1 << n) - 1) for shift, n in zip(shifts, bits, strict=True)
    ]
    return np.stack(parts, axis=1).astype(np.float32)


def _spread(
    words: UInt32[np.ndarray, "g"],
    bits: tuple[int, int, int],
    low: Float[np.ndarray, "g 3"],
    high: Float[np.ndarray, "g 3"],
) -> Float[np.ndarray, "g 3"]:
    shares = _unpack(words, bits)
    with np.errstate(over="ignore", invalid="ignore"):
        return low * (1 - shares) + high * shares


def _quaternions(words: UInt32[np.ndarray, "g"]) -> Float[np.ndarray, "g 4"]:
    others = (_unpack(words & 0x3FFFFFFF, (10, 10, 10)) - 0.5) * np.float32(np.sqrt(2))
    return restore_largest((words >> 30).astype(np.int64), others)


def _further(numbers: UInt8[np.ndarray, "g rest"]) -> Float[np.ndarray, "g rest"]:
    """Middles of the 256 steps, but the ends at the ends."""
    table = (np.arange(256, dtype=np.float32) + 0.5) / 256
    table[0], table[255] = 0, 1
    return ((table - 0.5) * _SH_RANGE)[numbers]
