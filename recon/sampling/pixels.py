"""Random pixels of all photos, which models that draw rays learn from."""

from __future__ import annotations

import torch
from torch import Tensor

from recon.sampling.pixel_table import PixelTable
from recon.types import Batch, Scene

__all__ = ["PixelSampler"]

_STAY = 256
"""Draws from the same photos, where not all are in memory."""


class PixelSampler:
    """Draws pixels of all training photos alike, at full size and, a share of them, of photos shrunk by 2, 4 and 8.

    Pixels that a mask ignores are never drawn. Where the photos take more than `memory` bytes, some of them are looked
    at for a while, then others. They and their cameras are on `device`.
    """

    def __init__(self, scene: Scene, *, seed: int, memory: int = 1 << 30, device: torch.device | str = "cpu") -> None:
        self._scene = scene
        self._device = torch.device(device)
        self._generator = torch.Generator().manual_seed(seed)
        cameras = scene.cameras[list(scene.train)]
        largest = int((cameras.width.long() * cameras.height).max()) if len(scene.train) > 0 else 1
        self._at_once = max(min(memory // (6 * largest), len(scene.train)), 1)
        self._order = torch.zeros(0, dtype=torch.long)
        self._next = 0
        self._drawn = 0
        self._table: PixelTable | None = None

    def draw(self, scale: float = 1.0, pixels: int = 4096) -> Batch:
        """So many pixels. A pixel costs the same whatever the size of its photo, so `scale` changes nothing."""
        if len(self._order) == 0 or (self._drawn >= _STAY and self._at_once < len(self._scene.train)):
            self._turn()
        table = self._table
        if table is None:
            shown = self._order[self._next : self._next + self._at_once]
            table = self._table = PixelTable.of(self._scene, shown.tolist()).to(self._device)
        self._drawn += 1
        return table.draw(pixels, self._generator)

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "generator": self._generator.get_state(),
            "order": self._order.clone(),
            "next": torch.tensor(self._next),
            "drawn": torch.tensor(self._drawn),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._order, self._next, self._drawn = state["order"].clone(), int(state["next"]), int(state["drawn"])
        self._table = None
        self._generator.set_state(state["generator"])

    def _turn(self) -> None:
        """Look at the next photos of the order, a new one when all were seen."""
        self._next += self._at_once
        if self._next >= len(self._order):
            train = torch.tensor(self._scene.train)
            self._order = train[torch.randperm(len(train), generator=self._generator)]
            self._next = 0
        self._drawn, self._table = 0, None
