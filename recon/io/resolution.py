"""How big the pictures of a scene should be, on the machine at hand."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ImageSize", "Machine", "choose_image_size", "this_machine"]

_PIXELS_PER_CORE = 80_000
"""A CPU step costs about as much time per pixel as the splats do at this size; two cores then work at 480 x 320."""
_PIXELS_ON_GPU = 1600 * 1200
_SMALLEST = 240
_LARGEST = 1600


@dataclass(frozen=True)
class Machine:
    cores: int
    memory: int
    """Bytes that may still be used."""
    gpu: bool = False


@dataclass(frozen=True)
class ImageSize:
    longest_side: int
    sentence: str
    """Why, to be said aloud."""


def choose_image_size(sizes: Sequence[tuple[int, int]], machine: Machine) -> ImageSize:
    """The working resolution of photos of these sizes: what a step can afford, kept in memory, never above the photos.

    A multiple of 16 unless it is the photos' own size. Memory: all pictures may fill a quarter of what is free.
    """
    longest = max(max(size) for size in sizes)
    widest = sorted(max(size) / min(size) for size in sizes)[len(sizes) // 2]
    affordable = _PIXELS_ON_GPU if machine.gpu else machine.cores * _PIXELS_PER_CORE
    reason = "a GPU" if machine.gpu else f"{machine.cores} CPU core{'s' if machine.cores != 1 else ''}"
    held = machine.memory // 4 // (3 * len(sizes))
    if held < affordable:
        affordable, reason = held, f"{len(sizes)} photos in {machine.memory / 1e9:.1f} GB of memory"
    side = int((affordable * widest) ** 0.5) // 16 * 16
    side = min(max(side, _SMALLEST), _LARGEST)
    if side >= longest:
        return ImageSize(longest, f"Working at the photos' own {longest} pixels (longest side).")
    return ImageSize(
        side, f"Working at {side} of {longest} pixels (longest side), for {reason}; --image-size changes it."
    )


def this_machine(*, gpu: bool = False) -> Machine:
    """Cores that this process may use, and memory that is free, within the limits of a container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    limits = [_free_memory(), _container_memory()]
    return Machine(cores, min(limit for limit in limits if limit is not None), gpu)


def _free_memory() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        return free["MemAvailable"]
    except (OSError, KeyError, ValueError, IndexError):
        return 4_000_000_000  # not Linux: a guess that every laptop meets


def _container_memory() -> int | None:
    """What the control group allows on top of what it uses."""
    group = Path("/sys/fs/cgroup")
    try:
        return int((group / "memory.max").read_text()) - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no control group, or "max"
        return None
