"""How often a network is right, and what it takes for what."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

__all__ = ["Confusion", "confusion"]


@dataclass(frozen=True)
class Confusion:
    """Counts of clouds: rows are what they are, columns what they were taken for."""

    counts: Int[Tensor, "c c"]
    classes: tuple[str, ...]

    @property
    def accuracy(self) -> float:
        """Share of clouds that were right."""
        return float(self.counts.diagonal().sum() / self.counts.sum().clamp(min=1))

    @property
    def class_accuracy(self) -> dict[str, float]:
        """Share that was right, by class; classes without clouds are left out."""
        totals = self.counts.sum(dim=1)
        return {name: float(self.counts[i, i] / totals[i]) for i, name in enumerate(self.classes) if int(totals[i]) > 0}

    @property
    def mean_class_accuracy(self) -> float:
        shares = list(self.class_accuracy.values())
        return sum(shares) / max(len(shares), 1)


def confusion(scores: Float[Tensor, "b c"], labels: Int[Tensor, "b"], classes: tuple[str, ...]) -> Confusion:
    count = len(classes)
    pairs = labels * count + scores.argmax(dim=1)
    return Confusion(torch.bincount(pairs, minlength=count**2).view(count, count), classes)
