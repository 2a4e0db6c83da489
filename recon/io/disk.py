"""What to tell somebody whose disk, folder or permissions stopped a file from being read or written."""

from __future__ import annotations

import errno
from pathlib import Path

from recon.errors import RunError

__all__ = ["advice_on", "cause_of", "is_mendable", "undone_by", "unwritable"]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_MISPLACED = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT)


def is_mendable(error: OSError) -> bool:
    """Whether the person can mend this, wherever in the program it is noticed."""
    return error.errno in (*_FULL, *_FORBIDDEN, *_MISPLACED)


def cause_of(error: OSError) -> str:
    """The system's words for what happened, without number and file name."""
    return error.strerror or str(error)


def undone_by(error: OSError) -> str:
    """What the file could not be, as far as the error tells."""
    return "written" if error.errno in (*_FULL, errno.EROFS) else "used"


def advice_on(error: OSError) -> str:
    """What helps against this very failure."""
    if error.errno in _FULL:
        return "Free some space there, or choose another folder."
    if error.errno in _FORBIDDEN:
        return "Check its permissions, or choose another folder."
    return "Check the path, or choose another folder."


def unwritable(path: Path, error: OSError) -> RunError:
    """The error of a file or folder that could not be written."""
    return RunError(f"{path} could not be written: {cause_of(error)}.", advice=advice_on(error))
