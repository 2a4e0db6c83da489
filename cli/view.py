"""`recon view`: orbit a run or a splat file in the browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.interruption import Interruption
from recon.cli.opening import open_run, scene_to_look_at
from recon.cli.splat_scene import open_splats
from recon.io.splats.formats import is_splat_file
from recon.types import Renderer, Scene

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Orbit a run or a splat file in the browser.

    Prints the address and serves until stopped with Ctrl-C.
    """

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote, or a splat file in any format that recon reads."""
    port: int = 7007
    """Where the viewer answers; the next free one when it is taken."""
    host: str = "127.0.0.1"
    """Who may look: only this machine by default. 0.0.0.0 lets everybody on your network in, without a password."""


def run(options: Options, console: Console) -> None:
    model, scene = _open(options.path)
    from recon.viewer import Viewer

    with Interruption() as interruption:
        viewer = Viewer(scene, host=options.host, port=options.port, title=options.path.stem)
        try:
            if viewer.moved_from is not None:
                console.say(f"Port {viewer.moved_from} is taken by another program; using {viewer.port}.")
            said = f"Open {viewer.address} in a browser; Ctrl-C stops."
            print(json.dumps({"address": viewer.address}) if options.json else said, flush=True)
            viewer.serve_while(model, lambda: not interruption.asked)
        finally:
            viewer.close()


def _open(path: Path) -> tuple[Renderer, Scene]:
    if is_splat_file(path) and not path.is_dir():
        return open_splats(path)
    opened = open_run(path)
    return opened.model, scene_to_look_at(opened)
