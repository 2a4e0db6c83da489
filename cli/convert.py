"""`recon convert`: a splat file in another format or frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.size import bytes_of
from recon.errors import InputError
from recon.export.fitting import fitted
from recon.io.frames import FrameName
from recon.io.splats.formats import format_of, frame_for, read_splats, write_splats
from recon.io.splats.guess import guessed_weights
from recon.io.splats.spz import SpzVersion

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """A splat file in another format or frame. No run is needed.

    Reads .ply, .compressed.ply, .splat, .spz, .sog, meta.json, .ksplat, .glb and our .html pages; writes all of them
    but .ksplat.
    """

    source: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="FROM")]
    """Splat file of any program."""
    target: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TO")]
    """File to write; its ending says the format."""
    frame: FrameName | None = None
    """How the axes shall lie; colours that depend on the view turn with them. Without it, as they are. SPZ and glTF
    prescribe opengl."""
    max_size: Annotated[str | None, tyro.conf.arg(metavar="SIZE")] = None
    """Most bytes of the file, such as 8MB: colours that depend on the view go first, then what is small and faint.
    recon export knows the photos' views and chooses better. Pages stay below 25MB unless this allows more."""
    spz_version: SpzVersion = 4
    """Of .spz: older programs read 2 or 3."""


def run(options: Options, console: Console) -> dict[str, Any]:
    to = format_of(options.target, to_write=True)
    if options.target.exists() and options.source.exists() and options.target.samefile(options.source):
        raise InputError(f"{options.target} would replace what it is made from.", advice="Give it another name.")
    most = to.usual_most if options.max_size is None else bytes_of(options.max_size)
    if to.own_frame is not None and options.frame not in (None, to.own_frame):
        raise InputError(
            f"{to.name} prescribes the axes of {to.own_frame}: programs would show it the wrong way up in those of "
            f"{options.frame}.",
            advice="Leave out --frame, or write a .ply.",
        )
    with console.stage("read") as stage:
        asset = read_splats(options.source)
        stage.result = f"{options.source}: {len(asset)} Gaussians, SH degree {asset.gaussians.sh_degree}"
    for note in asset.notes:
        console.warn(f"{options.source}: {note}.")
    with console.stage("write") as stage:
        frame = frame_for(options.target, asset, options.frame)
        written = asset if frame is None else asset.in_frame(frame)
        if most is not None:
            written = fitted(
                written,
                options.target.name,
                most,
                lambda: guessed_weights(written.gaussians),
                spz_version=options.spz_version,
            )
        changed = write_splats(written, options.target, spz_version=options.spz_version)
        size = options.target.stat().st_size
        left_out = len(asset) - len(written)
        fewer = f", {left_out} of {len(asset)} Gaussians left out" if left_out > 0 else ""
        stage.result = f"{options.target}: {to.name}, {size / 1e6:.1f} MB, frame {frame or 'as it was'}{fewer}"
    for note in changed:
        console.warn(f"{options.target}: {note}.")
    return {
        "source": str(options.source),
        "file": str(options.target),
        "format": to.name,
        "gaussians": len(written),
        "left_out": left_out,
        "sh_degree": written.gaussians.sh_degree,
        "frame": frame,
        "bytes": size,
        "notes": [*asset.notes, *changed],
    }
