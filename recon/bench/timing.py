"""How long things take on a device: in rounds, so that what is compared runs in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch

__all__ = ["REPEATS", "WARM_UPS", "samples_in_turns"]

REPEATS = 30
WARM_UPS = 5


def samples_in_turns(
    parts: Mapping[str, Callable[[], object]],
    device: torch.device,
    *,
    repeats: int = REPEATS,
    warm_ups: int = WARM_UPS,
) -> dict[str, list[float]]:
    """Milliseconds of each part: all parts in their order, then all again, after `warm_ups` rounds that do not count.

    On a GPU the times are those between two CUDA events around a part; on a CPU they are of `perf_counter`.
    """
    for _ in range(warm_ups):
        for run in parts.values():
            run()
    return _by_events(parts, repeats) if device.type == "cuda" else _by_clock(parts, repeats)


def _by_clock(parts: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    samples: dict[str, list[float]] = {name: [] for name in parts}
    for _ in range(repeats):
        for name, run in parts.items():
            started = time.perf_counter()
            run()
            samples[name].append(1e3 * (time.perf_counter() - started))
    return samples


def _by_events(parts: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    torch.cuda.synchronize()
    marks: dict[str, list[tuple[torch.cuda.Event, torch.cuda.Event]]] = {name: [] for name in parts}
    for _ in range(repeats):
        for name, run in parts.items():
            started, ended = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            started.record()
            run()
            ended.record()
            marks[name].append((started, ended))
    torch.cuda.synchronize()
    return {name: [a.elapsed_time(b) for a, b in pairs] for name, pairs in marks.items()}
