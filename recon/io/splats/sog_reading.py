"""Reading SOG: `.sog`, a zip, or a `meta.json` with its images beside it (see `recon.io.splats.sog`).

Version 1, which says no version, has ranges where version 2 has codebooks, and logits for opacities.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from recon.errors import InputError
from recon.io.disk import regular
from recon.io.splats.arrays import gaussians_from
from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import logits_of_bytes, restore_largest
from recon.io.splats.damage import check_unpacked, damaged
from recon.io.splats.sog_meta import MOST_JSON, Fetch, SogMeta

__all__ = ["is_sog", "read_sog"]


_BROKEN = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, zlib.error, OSError, ValueError)
"""What zipfile raises; the last two where an offset leads to before the file's beginning."""


def is_sog(path: Path) -> bool:
    """Whether a `.json` is the description of a SOG rather than of cameras."""
    try:
        with regular(path).open("rb") as file:
            return b'"means"' in file.read(MOST_JSON)
    except OSError:
        return False


def read_sog(path: Path) -> SplatAsset:
    """The Gaussians, in the frame that recon wrote in the extras if it did."""
    if path.suffix.lower() == ".json":
        return _read(path, _beside(path))
    try:
        with zipfile.ZipFile(regular(path)) as archive:
            return _read(path, _inside(path, archive))
    except _BROKEN as error:
        raise damaged(path, f"its zip archive is broken ({error})") from None


def _beside(path: Path) -> Fetch:
    def fetch(name: str, most: int) -> bytes:
        file = path if name == "meta.json" else path.with_name(name)
        try:
            with regular(file).open("rb") as opened:
                data = opened.read(most + 1)
        except (OSError, ValueError):
            raise InputError(
                f"{path} names {name}, which cannot be opened.", advice="Keep its images in its folder."
            ) from None
        if len(data) > most:
            raise damaged(path, f"{name} is larger than any such file")
        return data

    return fetch


def _inside(path: Path, archive: zipfile.ZipFile) -> Fetch:
    def fetch(name: str, most: int) -> bytes:
        try:
            entry = archive.getinfo(name)
        except KeyError:
            raise damaged(path, f"it has no {name}") from None
        if entry.file_size > most:
            raise damaged(path, f"{name} claims {entry.file_size} bytes")
        check_unpacked(path, entry.compress_size, entry.file_size)
        with archive.open(entry) as opened:
            return opened.read(entry.file_size)

    return fetch


def _read(path: Path, fetch: Fetch) -> SplatAsset:
    meta = SogMeta(path, fetch)
    count = meta.count()
    low, high = meta.image("means", 0, count, 3), meta.image("means", 1, count, 3)
    lows, highs = meta.numbers("means", "mins", 3), meta.numbers("means", "maxs", 3)
    shares = (low.astype(np.float64) + high.astype(np.float64) * 256) / 65535
    logs = lows + (highs - lows) * shares
    quats = meta.image("quats", 0, count, 4)
    if (quats[:, 3] < 252).any():
        raise damaged(path, "its quaternions are not marked as such")
    others = (quats[:, :3].astype(np.float32) / 255 - 0.5) * np.float32(np.sqrt(2))
    base = meta.image("sh0", 0, count, 4)
    sh = meta.harmonics(count)
    if meta.version == 1:
        colours, scales = meta.spread("sh0", base, 4), meta.spread("scales", meta.image("scales", 0, count, 3), 3)
        sh[:, 0], logits = colours[:, :3], colours[:, 3]
    else:
        sh[:, 0] = meta.numbers("sh0", "codebook", 256)[base[:, :3]]
        scales, logits = (
            meta.numbers("scales", "codebook", 256)[meta.image("scales", 0, count, 3)],
            logits_of_bytes(base[:, 3]),
        )
    with np.errstate(over="ignore", invalid="ignore"):
        gaussians = gaussians_from(
            means=np.sign(logs) * np.expm1(np.abs(logs)),
            quats=restore_largest(quats[:, 3].astype(np.int64) - 252, others),
            log_scales=scales,
            opacity_logits=logits,
            sh=sh,
            antialiased=meta.tree.get("antialias") is True,
        )
    frame, up = meta.standing()
    return SplatAsset(gaussians, frame, up)
