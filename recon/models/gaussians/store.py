"""The tensors of a Gaussian model, kept in step: parameters, Adam moments and density statistics, block for block."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.ops.adam import Moments
from recon.ops.blocks import (
    LANES,
    append,
    blocks_from_rows,
    gather,
    invisible_row,
    morton_order,
    remove,
    rows,
    write,
)

__all__ = ["GaussianStore"]


@dataclass
class GaussianStore:
    """Mutable, unlike the nouns: training changes it in place, density steps replace its tensors."""

    blocks: Float[Tensor, "b c 16"]
    moments: Moments
    stats: Float[Tensor, "b 3 16"]
    """Since the last refinement: sum of screen gradient norms, views that saw it, largest radius (share of image)."""
    count: int

    @classmethod
    def fresh(cls, blocks: Float[Tensor, "b c 16"], count: int, *, coded: bool | None = None) -> GaussianStore:
        """With no momentum; `coded` moments take a byte each, and are the GPU's."""
        moments = Moments.zeros_like(blocks, coded=blocks.device.type == "cuda" if coded is None else coded)
        return cls(blocks, moments, blocks.new_zeros(len(blocks), 3, LANES), count)

    def check(self) -> None:
        """Raise `ValueError` unless all tensors are of so many Gaussians."""
        blocks = -(-self.count // LANES)
        tensors = (self.blocks, self.moments.first, self.moments.second, self.stats)
        if self.count < 1 or any(len(tensor) != blocks for tensor in tensors):
            raise ValueError(f"its tensors are not of {self.count} Gaussians")

    @property
    def padding(self) -> Float[Tensor, "c"]:
        return invisible_row(self.blocks.shape[1]).to(self.blocks.device)

    def plane(self, index: int) -> Float[Tensor, "g"]:
        """A copy of one parameter of every Gaussian."""
        return self.blocks[:, index].reshape(-1)[: self.count]

    def planes(self, which: slice) -> Float[Tensor, "g m"]:
        """A copy of some parameters of every Gaussian."""
        return rows(self.blocks[:, which], self.count)

    def statistics(self) -> Float[Tensor, "g 3"]:
        return rows(self.stats, self.count)

    def forget_statistics(self) -> None:
        self.stats.zero_()

    def append(self, together: Float[Tensor, "m c"]) -> None:
        """Add Gaussians at the end, with no momentum and no statistics."""
        if len(together) == 0:
            return
        nothing = torch.zeros_like(together)
        first, second = (append(part, self.count, nothing.to(part.dtype)) for part in self._momentum)
        stats = append(self.stats, self.count, nothing[:, :3])
        blocks = append(self.blocks, self.count, together, padding=self.padding)
        self._become(blocks, Moments(first, second), stats, self.count + len(together))

    def remove(self, gone: Bool[Tensor, "g"]) -> None:
        """Drop Gaussians; the others keep momentum, statistics and order."""
        moments = Moments(*(remove(part, gone) for part in self._momentum))
        blocks = remove(self.blocks, gone, padding=self.padding)
        self._become(blocks, moments, remove(self.stats, gone), self.count - int(gone.sum()))

    def replace(self, indices: Int[Tensor, "m"], together: Float[Tensor, "m c"]) -> None:
        """Put other Gaussians in the place of these, with no momentum."""
        write(self.blocks, indices, together)
        self.forget_momentum(indices)

    def forget_momentum(self, indices: Int[Tensor, "m"]) -> None:
        for part in self._momentum:
            write(part, indices, part.new_zeros(part.shape[1]))

    def gather(self, indices: Int[Tensor, "m"]) -> Float[Tensor, "m c"]:
        return gather(self.blocks, indices)

    def sort(self) -> None:
        """Bring neighbours in space together, so that whole blocks are outside a view."""
        order = morton_order(self.planes(slice(0, 3)))
        moments = Moments(*(blocks_from_rows(gather(part, order)) for part in self._momentum))
        stats = blocks_from_rows(gather(self.stats, order))
        blocks = blocks_from_rows(gather(self.blocks, order), padding=self.padding)
        self._become(blocks, moments, stats, self.count)

    @property
    def _momentum(self) -> tuple[Tensor, Tensor]:
        return self.moments.first, self.moments.second

    def _become(self, blocks: Tensor, moments: Moments, stats: Tensor, count: int) -> None:
        """All at once, or not at all: memory may run out before the last of them is made."""
        self.blocks, self.moments, self.stats, self.count = blocks, moments, stats, count
