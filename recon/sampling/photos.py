"""One photo after the other, whole, at the size that training has come to."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recon.sampling.shrinking import shrink, shrink_depth
from recon.types import Batch, Scene

__all__ = ["Sampler"]

_SMALLEST = 48
"""Longest side, in pixels, under which photos are not shrunk: the SSIM window would see the whole image."""


class Sampler:
    """Draws training views without replacement until all were seen, then shuffles anew.

    Pictures are kept at the resolution asked for last, planar, up to `memory` bytes; others are made again each time.
    They are on `device`, so that a step on a GPU does not wait for them; cameras stay on the CPU, where they are read.
    """

    def __init__(self, scene: Scene, *, seed: int, memory: int = 1 << 30, device: torch.device | str = "cpu") -> None:
        self._scene = scene
        self._device = torch.device(device)
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.zeros(0, dtype=torch.long)
        self._next = 0
        self._memory = memory
        self._scale = 1.0
        self._kept: dict[int, Batch] = {}
        self._kept_bytes = 0

    def draw(self, scale: float = 1.0, pixels: int = 0) -> Batch:
        """The next training view, its sides shrunk to `scale` (0 to 1) of the working resolution; all its pixels."""
        if self._next >= len(self._order):
            train = torch.tensor(self._scene.train)
            self._order = train[torch.randperm(len(train), generator=self._generator)]
            self._next = 0
        view = int(self._order[self._next])
        self._next += 1
        return self.view(view, scale)

    def view(self, index: int, scale: float = 1.0) -> Batch:
        """One view, chosen."""
        if scale != self._scale:
            self._scale, self._kept, self._kept_bytes = scale, {}, 0
        if index in self._kept:
            return self._kept[index]
        batch = _pictures_to(self._device, _batch(self._scene, index, scale))
        size = batch.rgb.numel() + sum(part.numel() for part in (batch.alpha, batch.mask) if part is not None)
        size += 0 if batch.depth is None else 8 * batch.depth.inverse.numel()
        if self._kept_bytes + size <= self._memory:
            self._kept[index] = batch
            self._kept_bytes += size
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "generator": self._generator.get_state(),
            "order": self._order.clone(),
            "next": torch.tensor(self._next),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._generator.set_state(state["generator"])
        self._order, self._next = state["order"].clone(), int(state["next"])


def _batch(scene: Scene, index: int, scale: float) -> Batch:
    camera, picture, depth = scene.cameras[index], scene.images[index], scene.depths.get(index)
    if scale < 1:
        longest = int(torch.maximum(camera.width, camera.height))
        camera = camera.resized(max(round(longest * scale), min(_SMALLEST, longest)))
        picture = shrink(picture, width=int(camera.width), height=int(camera.height))
        depth = None if depth is None else shrink_depth(depth, width=int(camera.width), height=int(camera.height))
    planar = picture.rgb.permute(2, 0, 1).contiguous()
    return Batch(camera, planar.permute(1, 2, 0), (index,), alpha=picture.alpha, mask=picture.mask, depth=depth)


def _pictures_to(device: torch.device, batch: Batch) -> Batch:
    if device.type == "cpu":
        return batch
    planar = batch.rgb.permute(2, 0, 1).to(device)
    alpha, mask = (None if part is None else part.to(device) for part in (batch.alpha, batch.mask))
    depth = None if batch.depth is None else batch.depth.to(device)
    return replace(batch, rgb=planar.permute(1, 2, 0), alpha=alpha, mask=mask, depth=depth)
