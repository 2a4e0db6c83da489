"""Whether the files asked for have a place to go, found out before any of them is made."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from recon.errors import InputError
from recon.io.disk import unwritable

__all__ = ["check_targets"]


def check_targets(paths: Sequence[Path]) -> None:
    """An error for what would only fail, or replace another of these files, after minutes of work."""
    places = sorted((path.resolve(), path) for path in paths)
    for (place, path), (next_place, other) in pairwise(places):
        if place == next_place:
            named = f"{path} twice" if path == other else f"{path} and {other}, which are the same file"
            raise InputError(f"--to names {named}.", advice="Give each file a name of its own.")
    for place, path in places:
        if path.suffix != "" and path.is_dir():
            raise InputError(
                f"{path} is a folder.", advice=f"Name a file in it, such as {path / 'scene'}{path.suffix}."
            )
        above = next(folder for folder in place.parents if folder.exists())
        refusal = None if above.is_dir() else errno.ENOTDIR
        if refusal is None and not os.access(above, os.W_OK | os.X_OK):
            refusal = errno.EACCES
        if refusal is not None:
            raise unwritable(path, OSError(refusal, os.strerror(refusal)))
