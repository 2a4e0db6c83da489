"""`recon export`: a run as files for other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.opening import open_run
from recon.export.splats import export_splats, splat_format

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """A run as a file other programs open.

    In the frame the photos' poses came in. Every file is read back and compared before the command says it is done.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote. The photos are not needed."""
    to: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE...")]
    """Files to write; the ending says what. .ply: splats with all their colours, 240 MB for a million."""


def run(options: Options, console: Console) -> dict[str, Any]:
    for path in options.to:
        splat_format(path)
    opened = open_run(options.folder)
    files = []
    for path in options.to:
        with console.stage("export") as stage:
            written = export_splats(opened.model.gaussians(), opened.scene, path)
            size = path.stat().st_size
            stage.result = f"{path}: {len(written)} Gaussians, {size / 1e6:.1f} MB, read back the same"
        files.append({"file": str(path), "gaussians": len(written), "bytes": size})
    return {"run": str(options.folder), "files": files}
