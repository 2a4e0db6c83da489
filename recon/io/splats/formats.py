"""The splat formats there are, and reading and writing any of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from recon.errors import InputError
from recon.io.frames import FrameName
from recon.io.ply import read_labels, read_ply, write_ply
from recon.io.ply_header import read_header
from recon.io.splats.asset import SplatAsset, presentable
from recon.io.splats.compressed_ply import is_compressed_ply, read_compressed_ply, write_compressed_ply
from recon.io.splats.gltf import read_gltf, write_gltf
from recon.io.splats.ksplat import read_ksplat
from recon.io.splats.outliers import beyond_reach
from recon.io.splats.page import read_page, write_page
from recon.io.splats.ply_notes import frame_in, up_in
from recon.io.splats.sog import write_sog
from recon.io.splats.sog_reading import is_sog, read_sog
from recon.io.splats.splat_file import read_splat, write_splat
from recon.io.splats.spz import SpzVersion, read_spz, write_spz

__all__ = ["FORMATS", "SplatFormat", "format_of", "frame_for", "is_splat_file", "read_splats", "write_splats"]


@dataclass(frozen=True)
class SplatFormat:
    name: str
    ending: str
    """Of the file's name, lower case; the longest that fits decides."""
    read: Callable[[Path], SplatAsset]
    write: Callable[[SplatAsset, Path], None] | None
    lossless: bool = False
    """Renders of the file equal the model's but for rounding in the last digits."""
    own_frame: FrameName | None = None
    """The axes the format prescribes; None where it stores any."""
    weighs: bool = False
    """A file shows more when the asset says how much each splat is seen."""
    draws_in: bool = False
    """What lies far outside the scene is moved nearer (`recon.io.splats.outliers`)."""
    usual_most: int | None = None
    """Bytes that a file has at most unless somebody allows it more: it is made to be sent and opened at once."""


def _read_ply(path: Path) -> SplatAsset:
    header = read_header(path)
    if is_compressed_ply(header):
        return read_compressed_ply(path)
    return SplatAsset(read_ply(path), frame_in(header), up_in(header), labels=read_labels(path))


def _write_ply(asset: SplatAsset, path: Path) -> None:
    write_ply(asset.gaussians, path, up=asset.up, frame=asset.frame, labels=asset.labels)


FORMATS = (
    SplatFormat("3DGS PLY", ".ply", _read_ply, _write_ply, lossless=True),
    SplatFormat("compressed PLY", ".compressed.ply", _read_ply, write_compressed_ply, draws_in=True),
    SplatFormat("splat", ".splat", read_splat, write_splat),
    SplatFormat("SPZ", ".spz", read_spz, write_spz, own_frame="opengl", weighs=True, draws_in=True),
    SplatFormat("SOG", ".sog", read_sog, write_sog, weighs=True, draws_in=True),
    SplatFormat("SOG in a folder", "meta.json", read_sog, write_sog, weighs=True, draws_in=True),
    SplatFormat("ksplat", ".ksplat", read_ksplat, None),
    SplatFormat("glTF splats", ".glb", read_gltf, write_gltf, lossless=True, own_frame="opengl"),
    SplatFormat(
        *("page", ".html", read_page, write_page), own_frame="opengl", weighs=True, draws_in=True, usual_most=25_000_000
    ),
)


def is_splat_file(path: Path) -> bool:
    """Whether the name says so; of a .json, which may also hold cameras, its text."""
    if path.suffix.lower() == ".json":
        return path.name.lower().endswith("meta.json") and is_sog(path)
    return any(path.name.lower().endswith(known.ending) for known in FORMATS)


def format_of(path: Path, *, to_write: bool = False) -> SplatFormat:
    """By the file's name; an `InputError` that lists the others where there is none."""
    fitting = [f for f in FORMATS if path.name.lower().endswith(f.ending) and (f.write is not None or not to_write)]
    if len(fitting) == 0:
        known = ", ".join(sorted(f.ending for f in FORMATS if f.write is not None or not to_write))
        raise InputError(
            f"recon cannot {'write' if to_write else 'read'} splats as {path.name}: "
            f"it {'writes' if to_write else 'reads'} {known}.",
            advice="Give the file one of these endings.",
        )
    return max(fitting, key=lambda f: len(f.ending))


def frame_for(path: Path, asset: SplatAsset, asked: FrameName | None) -> FrameName | None:
    """The axes that `asset` gets when it is written to `path`; None where it keeps its own, which have no name.

    The format's own axes where it has some; otherwise those asked for; otherwise the asset's, but COLMAP's for splats
    out of a format that prescribes others, because that is how programs show files that do not say.
    """
    own = format_of(path, to_write=True).own_frame
    foreign = asset.frame is not None and any(known.own_frame == asset.frame for known in FORMATS)
    return own or asked or ("colmap" if foreign else asset.frame)


def read_splats(path: Path) -> SplatAsset:
    """Any splat file, with numbers that every program can show; its notes say what was left out for that."""
    known = format_of(path)
    if not path.is_file():
        raise InputError(f"{path} does not exist or is no file.", advice="Check the path.")
    return presentable(known.read(path), str(path))


def write_splats(asset: SplatAsset, path: Path, *, spz_version: SpzVersion = 4) -> tuple[str, ...]:
    """In the format of the file's ending, in the asset's frame where the format prescribes none.

    The file appears whole or not at all. Gives notes on what is another in it, in words for the user.
    """
    known = format_of(path, to_write=True)
    write = known.write
    assert write is not None
    if write is write_spz:
        write_spz(asset, path, version=spz_version)
    else:
        write(asset, path)
    far = beyond_reach(asset.gaussians.means.cpu().numpy()) if known.draws_in else 0
    if far == 0:
        return ()
    return (f"{far} of {len(asset)} Gaussians, far outside the scene, drawn nearer for the precision of the others",)
