"""Gaussians that show themselves: what a splat file looks like."""

from __future__ import annotations

import torch
from torch import Tensor

from recon.ops.blocks import pack
from recon.ops.splat import splat
from recon.types import Cameras, Gaussians, Render

__all__ = ["SplatRenderer"]


class SplatRenderer:
    """A `Renderer` (recon.types) of Gaussians that no longer change."""

    def __init__(self, gaussians: Gaussians) -> None:
        self._gaussians = gaussians
        self._blocks = pack(gaussians)

    @torch.no_grad()
    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        degree, antialiased = self._gaussians.sh_degree, self._gaussians.antialiased
        image = splat(self._blocks, cameras, sh_degree=degree, antialiased=antialiased)
        if pixels is None:
            return image
        x, y = pixels.long().unbind(dim=-1)
        return Render(rgb=image.rgb[y, x], alpha=image.alpha[y, x])

    def gaussians(self) -> Gaussians:
        return self._gaussians
