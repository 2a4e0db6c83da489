"""Errors of splat files that are not what they say, and limits that keep a lying one from filling the memory."""

from __future__ import annotations

from pathlib import Path

from recon.errors import InputError
from recon.io.disk import regular

__all__ = ["MOST_SPLATS", "check_unpacked", "damaged", "read_file"]

MOST_SPLATS = 100_000_000
"""More than this in one file is a lie or needs other programs: 100 million take 24 GB with all their colours."""
_MOST_EXPANSION = 1000
_FREE_EXPANSION = 1 << 24
"""Bytes that any compressed file may unpack to; larger ones at most so many times their own size."""


def damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is damaged or not a splat file: {why}.", advice="Copy or export the file again.")


def read_file(path: Path) -> bytes:
    """All of it; a file that cannot be opened is an `InputError`."""
    try:
        return regular(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}.", advice="Check the path.") from error


def check_unpacked(path: Path, packed: int, unpacked: int) -> None:
    """Refuse, before anything is allocated, what would unpack to absurdly more bytes than it has."""
    if unpacked > max(_FREE_EXPANSION, _MOST_EXPANSION * packed):
        raise damaged(path, f"its {packed} bytes claim to unpack to {unpacked}")
