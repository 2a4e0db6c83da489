"""A brightness per training photo and colour, so that automatic exposure is not learnt as part of the scene."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.models.rays.learned import Learned

__all__ = ["Gains"]


class Gains:
    """Factors on the model's colours, as logarithms; their mean over the training photos stays zero.

    So brightness that all photos share belongs to the model, which looks right without any, as held-out views show it.
    """

    def __init__(self, views: int, trained: tuple[int, ...], device: torch.device | str = "cpu") -> None:
        self.learned = Learned.of([torch.zeros(views, 3)], device)
        self._trained = torch.tensor(trained, dtype=torch.long, device=device)

    def leaf(self) -> Float[Tensor, "w"]:
        """The numbers, ready to gather a gradient."""
        return self.learned.values.clone().requires_grad_()

    def of(self, leaf: Float[Tensor, "w"], views: Int[Tensor, "r"]) -> Float[Tensor, "r 3"]:
        """Factors of rays of these views."""
        (logarithms,) = self.learned.parts(leaf)
        return logarithms[views].exp()

    def step(self, gradient: Float[Tensor, "w"], rate: float) -> None:
        self.learned.step(gradient, rate)
        (logarithms,) = self.learned.parts()
        logarithms[self._trained] -= logarithms[self._trained].mean(dim=0)
