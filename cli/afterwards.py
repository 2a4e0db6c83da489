"""What a command still has to do once training is over, in seconds: a budget leaves room for it.

Mostly that is drawing the held-out photos. How fast a model draws is guessed at first, and timed while it trains.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import torch

from recon.types import Cameras, Renderer, Scene

__all__ = ["Afterwards"]

_MOMENTS = (0.3, 0.6, 0.85)
"""Shares of training after which the model is timed: it draws faster, the more it knows to be empty."""
_SHARE, _TRIES = 0.005, 2
"""Of the budget that one timing may take, and how many are made: another program may be in the way of one."""
_SMALLEST = 32


class Afterwards:
    """Divides a budget between training and what comes after it, the better, the longer the model is known."""

    def __init__(
        self, scene: Scene, per_megapixel: float, budget: float | None, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """`per_megapixel`: seconds that drawing takes when nothing else runs, as far as its config can tell."""
        self._scene, self._given, self._clock = scene, budget, clock
        self._busy = _busy()
        self._drawing = per_megapixel * self._busy
        self._looks = 0

    @property
    def seconds(self) -> float:
        """That saving, evaluation, export and report will take."""
        return 1.0 + self._busy * (4.0 + 0.15 * len(self._scene.test)) + self._drawing * _megapixels(self._scene)

    @property
    def budget(self) -> float | None:
        """Seconds that training has: once it runs, half of what was given at least, however slow a look was."""
        if self._given is None:
            return None
        return max(self._given - self.seconds, self._given / 2 if self._looks > 0 else 0.0)

    @torch.no_grad()
    def look(self, model: Renderer, done: float) -> None:
        """Time the model where that is due at this share of training: at most a hundredth of the budget, each time."""
        if self._given is None or len(self._scene.test) == 0:
            return
        passed = sum(done >= moment for moment in _MOMENTS)
        if passed <= self._looks:
            return
        self._looks, self._busy = passed, _busy()
        camera = self._scene.cameras[self._scene.test[0]]
        whole = int(camera.width) * int(camera.height) / 1e6
        longest = int(torch.maximum(camera.width, camera.height))
        share = min(_SHARE * self._given / max(self._drawing * whole, 1e-9), 1.0)
        small = camera.resized(max(int(longest * share**0.5), min(_SMALLEST, longest)))
        taken = min(self._seconds_to_draw(model, small) for _ in range(_TRIES))
        self._drawing = taken / (int(small.width) * int(small.height)) * 1e6

    def _seconds_to_draw(self, model: Renderer, camera: Cameras) -> float:
        started = self._clock()
        model.render(camera).rgb.sum().item()  # waits for a GPU, too
        return self._clock() - started


def _busy() -> float:
    """How much longer things take here because others work, too."""
    return max(1.0, min(os.getloadavg()[0] / (os.cpu_count() or 1), 5.0))


def _megapixels(scene: Scene) -> float:
    """Of the held-out photos, each of which is drawn once."""
    cameras = scene.cameras[list(scene.test)]
    return float((cameras.width.double() * cameras.height).sum()) / 1e6
