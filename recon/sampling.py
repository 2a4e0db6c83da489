"""What each training step looks at: one photo after the other, in a new order every epoch, small ones first."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.types import Batch, Picture, Scene

__all__ = ["Sampler", "shrink"]

_SMALLEST = 48
"""Longest side, in pixels, under which photos are not shrunk: the SSIM window would see the whole image."""


class Sampler:
    """Draws training views without replacement until all were seen, then shuffles anew.

    Pictures are kept at the resolution asked for last, planar, up to `memory` bytes; others are made again each time.
    """

    def __init__(self, scene: Scene, *, seed: int, memory: int = 1 << 30) -> None:
        self._scene = scene
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.zeros(0, dtype=torch.long)
        self._next = 0
        self._memory = memory
        self._scale = 1.0
        self._kept: dict[int, Batch] = {}
        self._kept_bytes = 0

    def draw(self, scale: float = 1.0) -> Batch:
        """The next training view, its sides shrunk to `scale` (0 to 1) of the working resolution."""
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
        batch = _batch(self._scene, index, scale)
        size = batch.rgb.numel() + sum(part.numel() for part in (batch.alpha, batch.mask) if part is not None)
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
    camera, picture = scene.cameras[index], scene.images[index]
    if scale < 1:
        longest = int(torch.maximum(camera.width, camera.height))
        camera = camera.resized(max(round(longest * scale), min(_SMALLEST, longest)))
        picture = shrink(picture, width=int(camera.width), height=int(camera.height))
    planar = picture.rgb.permute(2, 0, 1).contiguous()
    return Batch(camera, planar.permute(1, 2, 0), (index,), alpha=picture.alpha, mask=picture.mask)


def shrink(picture: Picture, *, width: int, height: int) -> Picture:
    """The picture at a smaller size, each pixel the mean over the area it covers; colours weigh by their alpha."""
    rgb = picture.rgb.permute(2, 0, 1).float()
    mask = None if picture.mask is None else _area(picture.mask.float()[None], width, height)[0]
    if picture.alpha is None:
        return Picture(_bytes(_area(rgb, width, height)).permute(1, 2, 0), mask=None if mask is None else _bytes(mask))
    alpha = picture.alpha.float()[None] / 255
    covered = _area(alpha, width, height)
    colour = _area(rgb * alpha, width, height) / covered.clamp(min=1e-6)
    small = Picture(_bytes(colour).permute(1, 2, 0), alpha=_bytes(covered[0] * 255))
    return small if mask is None else replace(small, mask=_bytes(mask))


def _area(planes: Float[Tensor, "c h w"], width: int, height: int) -> Float[Tensor, "c h2 w2"]:
    return interpolate(planes[None], size=(height, width), mode="area")[0]


def _bytes(values: Tensor) -> UInt8[Tensor, "..."]:
    return values.round().clamp(0, 255).to(torch.uint8)
