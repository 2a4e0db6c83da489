"""Who says what a cloud of points is, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from recon.errors import RunError
from recon.priors.clouds.augmenting import turned
from recon.priors.clouds.prepared import prepared
from recon.priors.clouds.training import predict

__all__ = ["UNKNOWN", "Classification", "CloudClassifier", "NetworkClassifier", "out_of_memory"]

UNKNOWN = "unknown"
_SURE = 0.9
"""Confidence, of one side, with which no other side is asked. Half of ModelNet10's held-out shapes; all were right."""
Z_UP = np.array([0.0, 0.0, 1.0])


@dataclass(frozen=True)
class Classification:
    """What one cloud is taken for."""

    label: str
    """The likeliest class, or `UNKNOWN` where that is not sure enough."""
    confidence: float
    """Of the likeliest class, 0 to 1."""
    scores: dict[str, float]
    """Of every class; they sum to 1."""


@runtime_checkable
class CloudClassifier(Protocol):
    """Tells what clouds are. One of them = one module here and one case in `recon.priors.clouds.cloud_classifier`."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    def classify(
        self, clouds: Sequence[Float[np.ndarray, "_ 3"]], *, up: Float[np.ndarray, "3"] = Z_UP
    ) -> list[Classification]:
        """An answer a cloud, whatever the order, scale and place of its points; they may be few or a million.

        Raises `InputError` for a cloud that has no shape.
        """
        ...


@dataclass
class NetworkClassifier:
    """A trained network, asked about each cloud from several sides."""

    network: nn.Module
    classes: tuple[str, ...]
    points: int
    """Points of each cloud that the network sees."""
    threshold: float
    """Confidence below which a cloud is unknown."""
    to_box: bool = False
    """Whether clouds are turned to their boxes first."""
    votes: int = 4
    """Turns about the up axis whose probabilities are averaged, each of two samples of the points; one where that is
    sure already."""
    batch: int = 64
    device: torch.device | str = "cpu"
    note: Callable[[str], None] = lambda _: None
    """Told once when the memory holds no whole batch."""

    def classify(
        self, clouds: Sequence[Float[np.ndarray, "_ 3"]], *, up: Float[np.ndarray, "3"] = Z_UP
    ) -> list[Classification]:
        ready = [prepared(cloud, up=up, count=2 * self.points, to_box=self.to_box) for cloud in clouds]
        if len(ready) == 0:
            return []
        scores = self.scores(torch.from_numpy(np.stack(ready)))
        return [self._answer(row) for row in scores]

    def scores(self, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b c"]:
        """Probabilities of clouds that are prepared already, of as many points as the network sees or more."""
        scores = self._from_side(points, 0.0)
        unsure = scores.amax(dim=1) < _SURE
        angles = [2 * torch.pi * vote / self.votes for vote in range(1, self.votes)]
        if len(angles) > 0 and bool(unsure.any()):
            sides = [scores[unsure], *(self._from_side(points[unsure], angle) for angle in angles)]
            scores[unsure] = torch.stack(sides).mean(dim=0)
        return scores

    def _from_side(self, points: Float[Tensor, "b n 3"], angle: float) -> Float[Tensor, "b c"]:
        network = self.network.to(self.device)
        samples = [points[:, : self.points]]
        if points.shape[1] > self.points:
            samples.append(points[:, -self.points :])
        angles = torch.full((len(points),), angle)
        return torch.stack([self._predict(network, turned(sample.float(), angles)) for sample in samples]).mean(dim=0)

    def _predict(self, network: nn.Module, points: Float[Tensor, "b n 3"]) -> Float[Tensor, "b c"]:
        while True:
            try:
                parts = points.split(self.batch)
                return torch.cat([predict(network, part.to(self.device), batch=self.batch).cpu() for part in parts])
            except (RuntimeError, MemoryError) as error:
                if not out_of_memory(error):
                    raise
                if self.batch == 1:
                    raise RunError(
                        f"There is not enough memory for one cloud of {self.points} points.",
                        advice="Close other programs, or use --device cpu.",
                    ) from error
                if self.device != "cpu":
                    torch.cuda.empty_cache()
                self.batch //= 2
                self.note(f"The memory is full: going on with {self.batch} clouds at once.")
                self.note = lambda _: None

    def _answer(self, scores: Float[Tensor, "c"]) -> Classification:
        best = int(scores.argmax())
        confidence = float(scores[best])
        label = self.classes[best] if confidence >= self.threshold else UNKNOWN
        return Classification(label, confidence, dict(zip(self.classes, scores.tolist(), strict=True)))


def out_of_memory(error: BaseException) -> bool:
    """Whether torch ran out of memory: of a GPU, or of the machine, which it says in words alone."""
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "can't allocate memory" in str(error)
