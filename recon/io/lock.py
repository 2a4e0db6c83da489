"""A folder that one program writes to at a time."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

from recon.errors import RunError

__all__ = ["locked"]

_LOCK = ".lock"
"""As in a run: what trains there and what only finds poses there keep out of each other's way."""


@contextlib.contextmanager
def locked(folder: Path, *, command: str) -> Iterator[None]:
    """Make the folder, and let no other `command` write to it meanwhile. The lock ends with the process, however."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise RunError(
                f"Another {command} is writing to {folder}.", advice="Wait for it, stop it, or pass another --output."
            ) from None
        yield
