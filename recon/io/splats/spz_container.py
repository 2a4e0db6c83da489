"""The outside of an SPZ file: header and packed streams, of known sizes before anything is unpacked."""

from __future__ import annotations

import gzip
import struct
import zlib
from dataclasses import dataclass, fields
from pathlib import Path

from recon.io.splats.damage import MOST_SPLATS, check_unpacked, damaged

__all__ = ["Header", "Streams", "pack", "unpack"]

_MAGIC = b"NGSP"
_GZIP = b"\x1f\x8b"
_START = struct.Struct("<4sIIBBBB")
_TABLE_AT = struct.Struct("<I12x")
_ENTRY = struct.Struct("<QQ")
_ANTIALIASED, _EXTENDED = 1, 2
_HARMONICS = (0, 3, 8, 15, 24)
_LEVEL = 16
"""Of zstd: 2 s for 100k Gaussians. 12 packs a trained scene 3.5 % worse in a quarter of the time, 19 1 % better."""


@dataclass(frozen=True)
class Header:
    version: int
    count: int
    degree: int
    fractional_bits: int
    antialiased: bool
    has_extensions: bool = False

    @property
    def harmonics(self) -> int:
        """Coefficients after the first, each of three channels."""
        return _HARMONICS[self.degree]

    def sizes(self) -> tuple[int, ...]:
        """Bytes of each stream, in the file's order."""
        rotation = 4 if self.version >= 3 else 3
        return tuple(self.count * width for width in (9, 1, 3, 3, rotation, 3 * self.harmonics))


@dataclass(frozen=True)
class Streams:
    """In the file's order."""

    positions: bytes
    opacities: bytes
    colours: bytes
    scales: bytes
    rotations: bytes
    harmonics: bytes


def unpack(path: Path, data: bytes) -> tuple[Header, Streams]:
    """Any version; a file that lies about its size is refused before memory is used for it."""
    if data[:4] == _MAGIC and data[4:8] == b"\x04\0\0\0":
        return _unpack_streams(path, data)
    body = _gunzip(path, data) if data[:2] == _GZIP else data
    header = _header(path, body)
    if header.version not in (2, 3):
        raise damaged(path, f"its SPZ version is {header.version}, and recon reads 2, 3 and 4")
    sizes = header.sizes()
    if len(body) < _START.size + sum(sizes):
        raise damaged(path, f"it promises {header.count} splats and ends before they do")
    parts, start = [], _START.size
    for size in sizes:
        parts.append(body[start : start + size])
        start += size
    return header, Streams(*parts)


def pack(header: Header, streams: Streams) -> bytes:
    flags = _ANTIALIASED if header.antialiased else 0
    parts = [getattr(streams, field.name) for field in fields(streams)]
    start = (_MAGIC, header.version, header.count, header.degree, header.fractional_bits, flags)
    if header.version < 4:
        return gzip.compress(_START.pack(*start, 0) + b"".join(parts), compresslevel=9, mtime=0)
    from zstandard import ZstdCompressor

    parts = [part for part in parts if len(part) > 0]
    packed = [ZstdCompressor(level=_LEVEL).compress(part) for part in parts]
    table = b"".join(_ENTRY.pack(len(small), len(part)) for small, part in zip(packed, parts, strict=True))
    size = _START.size + _TABLE_AT.size
    return _START.pack(*start, len(parts)) + _TABLE_AT.pack(size) + table + b"".join(packed)


def _header(path: Path, data: bytes) -> Header:
    if len(data) < _START.size:
        raise damaged(path, "it is too short for an SPZ header")
    magic, version, count, degree, bits, flags, _ = _START.unpack_from(data)
    if magic != _MAGIC:
        raise damaged(path, "it does not begin as SPZ does")
    if degree >= len(_HARMONICS) or bits > 24:
        raise damaged(path, f"its header says degree {degree} and {bits} fractional bits")
    if count > MOST_SPLATS:
        raise damaged(path, f"it claims {count} splats")
    return Header(version, count, degree, bits, bool(flags & _ANTIALIASED), bool(flags & _EXTENDED))


def _gunzip(path: Path, data: bytes) -> bytes:
    """The stream as far as its own header says it goes."""
    unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
    try:
        start = unpacker.decompress(data, _START.size)
        header = _header(path, start)
        needed = sum(header.sizes())
        check_unpacked(path, len(data), needed)
        return start + unpacker.decompress(unpacker.unconsumed_tail, max(needed, 1))
    except zlib.error as error:
        raise damaged(path, f"its gzip stream is broken ({error})") from None


def _unpack_streams(path: Path, data: bytes) -> tuple[Header, Streams]:
    from zstandard import ZstdDecompressor, ZstdError

    header = _header(path, data)
    if len(data) < _START.size + _TABLE_AT.size:
        raise damaged(path, "it is too short for an SPZ header")
    at, streams = _TABLE_AT.unpack_from(data, _START.size)[0], data[15]
    wanted = [size for size in header.sizes() if size > 0]
    start = at + streams * _ENTRY.size
    if at < _START.size + _TABLE_AT.size or start > len(data) or streams != len(wanted):
        raise damaged(path, "its table of streams is not where it should be")
    table = [_ENTRY.unpack_from(data, at + index * _ENTRY.size) for index in range(streams)]
    if [unpacked for _, unpacked in table] != wanted:
        raise damaged(path, f"its streams do not have the sizes of {header.count} splats")
    check_unpacked(path, len(data), sum(wanted))
    parts = []
    for packed, unpacked in table:
        piece = data[start : start + packed]
        start += packed
        try:
            with ZstdDecompressor().stream_reader(piece, read_across_frames=True) as reader:
                part = reader.read(unpacked)
        except ZstdError as error:
            raise damaged(path, f"a zstd stream is broken ({error})") from None
        if len(part) != unpacked:
            raise damaged(path, "a stream ends too early")
        parts.append(part)
    filled = iter(parts)
    return header, Streams(*(next(filled) if size > 0 else b"" for size in header.sizes()))
