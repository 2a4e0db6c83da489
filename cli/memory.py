"""Peak memory of a stretch of the program and of the child processes it waited for."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

__all__ = ["PeakMemory", "is_memory_full", "resident_bytes", "whose_memory"]

_TORCH_SAYS = ("can't allocate memory", "not enough memory")
"""Of the machine's memory, on Linux and macOS, and on Windows."""
_UNIT = 1 if sys.platform == "darwin" else 1024
"""ru_maxrss is in bytes on macOS and in KiB elsewhere."""


class PeakMemory:
    """Resident bytes at the highest since this was made."""

    def __init__(self) -> None:
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # Linux: the high-water mark starts anew
        self._children = _most(resource.RUSAGE_CHILDREN)

    def bytes(self) -> int:
        """A child counts on top only when it was the largest so far; the system remembers no other."""
        children = _most(resource.RUSAGE_CHILDREN)
        return _own() + (children if children > self._children else 0)


def is_memory_full(error: BaseException) -> bool:
    """Whether there was no memory left, of the machine or of its GPU: each library says it in its own way."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's; it may not be loaded
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _TORCH_SAYS)


def whose_memory(error: BaseException) -> str:
    """In words that begin a sentence."""
    return "The GPU's memory" if type(error).__name__ == "OutOfMemoryError" else "This machine's memory"


def resident_bytes() -> int:
    """What this process holds now; its peak where the system does not say."""
    return _status("VmRSS") or _most(resource.RUSAGE_SELF)


def _most(who: int) -> int:
    return resource.getrusage(who).ru_maxrss * _UNIT


def _own() -> int:
    return _status("VmHWM") or _most(resource.RUSAGE_SELF)


def _status(line: str) -> int | None:
    """Bytes of a line of Linux's process status."""
    try:
        found = re.search(rf"{line}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return None
    return None if found is None else int(found[1]) * 1024
