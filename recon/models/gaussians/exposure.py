"""A colour transform per training photo, so that a camera's automatic exposure is not learnt as part of the scene."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Exposure"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.99, 1e-8
"""A photo comes by once an epoch: shorter memory than the Gaussians' 0.999."""


class Exposure:
    """Affine maps `[n 3 4]` on rgb, one a training photo, with their own Adam.

    Their mean over the training photos is kept at the identity exactly: brightness that all photos share belongs to the
    model, which therefore looks right without any exposure, as held-out views and the viewer show it.
    """

    def __init__(self, views: int, trained: tuple[int, ...], device: torch.device | str = "cpu") -> None:
        self.maps = torch.eye(3, 4, device=device).repeat(views, 1, 1)
        self.first = torch.zeros(views, 3, 4, device=device)
        self.second = torch.zeros(views, 3, 4, device=device)
        self.steps = torch.zeros(views, dtype=torch.long)
        self._trained = torch.tensor(trained, dtype=torch.long, device=device)
        self._identity = torch.eye(3, 4, device=device)

    def of(self, view: int) -> Float[Tensor, "3 4"]:
        return self.maps[view]

    def step(self, view: int, gradient: Float[Tensor, "3 4"], *, learning_rate: float) -> None:
        """One step of Adam for this photo, then the mean over all photos back to the identity."""
        self.steps[view] += 1
        age = int(self.steps[view])
        first = self.first[view].lerp_(gradient, 1 - _BETA1)
        second = self.second[view].lerp_(gradient.square(), 1 - _BETA2)
        direction = (first / (1 - _BETA1**age)) / ((second / (1 - _BETA2**age)).sqrt() + _EPSILON)
        self.maps[view] -= learning_rate * direction
        drift = self.maps[self._trained].mean(dim=0) - self._identity
        self.maps[self._trained] -= drift

    def state_dict(self) -> dict[str, Tensor]:
        """On the CPU."""
        return {name: getattr(self, name).to("cpu", copy=True) for name in ("maps", "first", "second", "steps")}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        device = self.maps.device
        self.maps, self.first, self.second = (state[name].to(device, copy=True) for name in ("maps", "first", "second"))
        self.steps = state["steps"].to("cpu", copy=True)
