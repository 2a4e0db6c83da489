"""Entry of the command `recon`: finds the command's module, and only that one is imported.

A command is a module here with a frozen dataclass `Options` (its docstrings are the help) and
`run(options, console) -> dict`, whose result is what `--json` prints (None: it printed its own); and one line in
`COMMANDS`.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from recon.cli.streams import fill_closed, tell

_SPINS = 5000
"""Turns, some microseconds, for which a thread of a parallel loop waits awake for the others. The default of libgomp is
longer than a time slice: where other programs run beside, threads would wait for one that waits for their core."""
STARTED = time.monotonic()
"""Loading the program counts against a budget."""

COMMANDS = {
    "train": "Photos to a scene you can orbit and keep.",
    "poses": "Photos to camera poses: a COLMAP model.",
    "eval": "How good a run is, on the photos it never saw.",
    "render": "Pictures from a run: its photos' views, or an orbit as a video.",
    "export": "A run as a file other programs open.",
    "depth": "How far away what photos show is: a map for each.",
    "features": "What photos show: what looks alike, in photos and in 3D.",
    "classify": "What point clouds are, and what stands in a scene.",
    "convert": "A splat file in another format or frame.",
    "mesh-eval": "How near a mesh is to the truth.",
    "bench": "How right and how fast recon is on this machine.",
    "pointnet": "Networks that tell point clouds apart: train, measure.",
    "view": "Orbit a run or a splat file in the browser.",
    "weights": "Networks that others trained: list, download.",
    "info": "What a run, splat file, COLMAP model or photo folder is.",
}

__all__ = ["COMMANDS", "main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code. 0 done, 2 something you can mend, 130 interrupted."""
    fill_closed()
    os.environ.setdefault("GOMP_SPINCOUNT", str(_SPINS))
    try:
        return _main(argv)
    except KeyboardInterrupt:  # while the program is loaded, or again while it ends
        tell("recon: Interrupted.")
        return 130


def _main(argv: Sequence[str] | None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    started = STARTED if argv is None else time.monotonic()
    if len(arguments) == 0 or arguments[0] in ("-h", "--help", "help"):
        print(_help())
        return 0 if arguments else 2
    if arguments[0] in ("--version", "version"):
        from recon import __version__

        print(f"recon {__version__}")
        return 0
    if arguments[0] not in COMMANDS:
        return _unknown(arguments[0], as_json="--json" in arguments)
    from recon.cli.command import run_command

    return run_command(arguments[0], arguments[1:], started)


def _help() -> str:
    rows = "\n".join(f"  {name:<11}{what}" for name, what in COMMANDS.items())
    return f"""usage: recon COMMAND [OPTIONS]

Photos in, a 3D scene to orbit and keep out. Start with:

  recon train --images ./scene

commands:
{rows}

recon COMMAND --help     what a command takes
recon --version          which version this is"""


def _unknown(name: str, *, as_json: bool) -> int:
    import difflib

    near = difflib.get_close_matches(name, COMMANDS, n=1)
    listed = f"The commands are {', '.join(COMMANDS)}; recon --help says what they do."
    error, advice = f"recon has no command {name!r}.", f"Did you mean recon {near[0]}?" if near else listed
    tell(error)
    tell(advice)
    if as_json:
        from recon.cli.command import say_as_json

        say_as_json(error, advice)
    return 2


if __name__ == "__main__":
    sys.exit(main())
