"""Files that are whole or not there, and what to tell somebody whose disk or permissions stopped one."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from recon.errors import RunError

__all__ = [
    "NotAFileError",
    "advice_on",
    "cause_of",
    "is_mendable",
    "regular",
    "sync_folder",
    "undone_by",
    "unwritable",
    "whole",
    "write_synced",
    "write_whole",
]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_MISPLACED = (errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ENOENT, errno.ENOTEMPTY)
_MISPLACED += (errno.ELOOP,)
_CROWDED = (errno.EMFILE, errno.ENFILE)


class NotAFileError(OSError):
    """What lies there gives no bytes, or no end of them: a pipe, a socket, a device."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.EINVAL, "It is a pipe, a socket or a device, not a file", str(path))


def regular(path: Path) -> Path:
    """`path`, to be opened: who opens a pipe waits for ever. Folders, and what is absent, say so when they are opened.

    Every reader of a path that a person gave, or that lies in a person's folder, opens `regular(path)`.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise NotAFileError(path)
    return path


def is_mendable(error: OSError) -> bool:
    """Whether the person can mend this, wherever in the program it is noticed."""
    known = (*_FULL, *_FORBIDDEN, *_MISPLACED, *_CROWDED, errno.EIO)
    return error.errno in known or isinstance(error, NotAFileError)


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
    if error.errno in _CROWDED:
        return "Close other programs, or allow more open files: ulimit -n 4096."
    if error.errno == errno.EIO:
        return "Check the disk and its cable, or choose another folder."
    return "Check the path, or choose another folder."


def unwritable(path: Path, error: OSError) -> RunError:
    """The error of a file or folder that could not be written."""
    return RunError(f"{path} could not be written: {cause_of(error)}.", advice=advice_on(error))


def write_whole(path: Path, data: bytes) -> None:
    """Write beside, sync, rename: whatever stops the program or the machine, `path` is the old file or the new one."""
    unfinished = path.with_name(path.name + ".part")
    try:
        write_synced(unfinished, data)
        unfinished.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def write_synced(path: Path, data: bytes) -> None:
    """Write, and wait until the disk has it."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the disk knows which names the folder has now."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # some file systems cannot sync a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Where to write what shall become the file or folder `path` when the block ends well.

    It lies beside, with another ending, and is removed when anything goes wrong, Ctrl-C included. What the disk refuses
    becomes a `RunError`. A file takes the place of an older one; a folder only that of an empty one, so that nothing of
    anybody's is ever removed.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove(unfinished)
        yield unfinished
        if unfinished.is_dir() and path.is_dir():
            path.rmdir()
        os.replace(unfinished, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            _remove(unfinished)
        if isinstance(error, OSError):
            raise unwritable(path, error) from error
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
