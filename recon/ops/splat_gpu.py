"""One rendered view on a GPU: the buffers it takes, kept between steps, and how large they must be.

Kernels run on counts that only the GPU knows; buffers have limits that the host must choose. A view that needs more is
left empty and moves nothing. So a view whose result matters waits for the counts and grows its buffers; the steps of a
training run, one like the other, do not wait: they read what an earlier step needed, when it is there, and grow ahead.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.ops.device import stream_of

__all__ = ["GpuFrame"]

_ROOM = 1.25
"""Of what was needed: how much is allocated."""
_SPARE = 4096
"""Gaussians and pairs allocated on top."""
_LATE = 1.1
"""The limits grow when what was needed, times this, is more."""
_MOST_PAIRS = 2**31 - 1


class GpuFrame:
    """The CUDA counterpart of the native `SplatFrame`: nothing of it waits for the GPU unless it says so."""

    def __init__(self, kernels: ModuleType) -> None:
        self._kernels = kernels
        self._splat: Any = None
        self._workspace: Tensor | None = None
        self._limits = (0, 0)
        self._shape: tuple[int, ...] = ()
        self._needed: tuple[Tensor, Any] | None = None

    def forward(
        self,
        blocks: Float[Tensor, "b c 16"],
        camera: tuple[Any, ...],
        images: tuple[Tensor, Tensor, Tensor | None, Tensor | None],
        *,
        way_back: bool,
        wait: bool,
    ) -> None:
        """Render to `images`: rgb, alpha, depth, median. `camera`: pose on the CPU, fx, fy, cx, cy, bands, antialiased.

        `wait` for the counts, and be right for sure.
        """
        alpha, depth = images[1], images[2]
        shape = (*blocks.shape, *alpha.shape, int(depth is None), int(way_back))
        known = shape == self._shape
        self._shape = shape
        if known:
            self.grow_ahead(len(blocks) * 16)
        else:
            self._limits = (len(blocks) * 16, max(self._limits[1], 4 * len(blocks) * 16 + _SPARE))
        arguments = (blocks, *camera, *images)
        self._start(arguments, way_back)
        if wait or not known:
            needed = self._counts()
            if any(count > limit for count, limit in zip(needed, self._limits, strict=True)):
                self._limits = _with_room(needed, len(blocks) * 16)
                self._start(arguments, way_back)
        self._splat.picture()
        self.note_needs()

    def inputs(self, learning_rates: Float[Tensor, "c"] | None, step: int, pulls: tuple[float, float]) -> None:
        """What a step brings with it, to where kernels find it."""
        self._splat.inputs(learning_rates, step, 0.9, 0.999, 1e-15, *pulls)

    def backward(self, *arguments: Tensor | None) -> None:
        self._splat.backward(*arguments)

    def backward_adam(self, *arguments: Tensor | None) -> None:
        self._splat.backward_adam(*arguments)

    def lift(self, features: Float[Tensor, "y x d"], sums: Float[Tensor, "g d"], weights: Float[Tensor, "g"]) -> None:
        scratch = features.new_empty(self._splat.lift_scratch(*features.shape[:2]))
        self._splat.lift(features, sums, weights, scratch)

    def seen(self, out: Bool[Tensor, "g"]) -> None:
        self._splat.seen(out)

    @property
    def seen_count(self) -> int:
        """Waits for the GPU."""
        return self._counts()[0]

    @property
    def pair_count(self) -> int:
        """Waits for the GPU."""
        return self._counts()[1]

    @property
    def limits(self) -> tuple[int, int]:
        """How many Gaussians may be seen and how many pairs there may be."""
        return self._limits

    def view(self, arguments: tuple[Any, ...]) -> Any:
        """The kernels of a view in the workspace that is there, on the stream that torch works on now."""
        return self._kernels.CudaSplat(*arguments, self._workspace, *self._limits, True, stream_of(arguments[0]))

    def look_from(self, arguments: tuple[Any, ...]) -> None:
        """From now on the inputs are those of this view."""
        self._splat = self.view(arguments)

    def note_needs(self) -> None:
        """Let the counts come to the CPU whenever they are ready; one message at a time."""
        assert self._workspace is not None
        if self._needed is not None:
            return
        on_gpu = self._workspace.device.type == "cuda"
        counts = torch.empty(2, dtype=torch.int64, pin_memory=on_gpu)
        counts.copy_(self._workspace[:16].view(torch.int64), non_blocking=True)
        event = None
        if on_gpu:
            event = torch.cuda.Event()
            event.record()
        self._needed = counts, event

    def grow_ahead(self, gaussians: int) -> None:
        """Larger limits where an earlier view came near them."""
        if self._needed is None:
            return
        counts, event = self._needed
        if event is not None and not event.query():
            return
        self._needed = None
        needed, most = (int(counts[0]), int(counts[1])), (gaussians, _MOST_PAIRS)
        if any(min(_LATE * needed[i], most[i]) > self._limits[i] for i in range(2)):
            wider = _with_room(needed, gaussians)
            self._limits = max(self._limits[0], wider[0]), max(self._limits[1], wider[1])

    def _start(self, arguments: tuple[Any, ...], way_back: bool) -> None:
        """Everything up to the counts, in a workspace that is large enough for the limits."""
        blocks, alpha, depth = arguments[0], arguments[-3], arguments[-2]
        size = self._kernels.cuda_splat_bytes(
            len(blocks), blocks.shape[1], alpha.shape[1], alpha.shape[0], depth is not None, *self._limits, way_back
        )
        if self._workspace is None or len(self._workspace) < size:
            self._splat = self._workspace = None  # the old one may make room for the new one
            self._workspace = torch.empty(size, dtype=torch.uint8, device=blocks.device)
        self._splat = self._kernels.CudaSplat(*arguments, self._workspace, *self._limits, way_back, stream_of(blocks))
        self._splat.inputs(None, 1, 0.9, 0.999, 1e-15, 0.0, 0.0)
        self._splat.project()

    def _counts(self) -> tuple[int, int]:
        assert self._workspace is not None, "counts before forward"
        seen, pairs = self._workspace[:16].view(torch.int64).tolist()
        return seen, pairs


def _with_room(needed: tuple[int, int], gaussians: int) -> tuple[int, int]:
    seen, pairs = (int(_ROOM * count) + _SPARE for count in needed)
    return min(seen, gaussians), min(pairs, _MOST_PAIRS)
