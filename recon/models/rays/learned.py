"""Small tensors that Adam moves, kept together with its memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Learned", "all_finite", "rate_at"]

_BETA1, _BETA2, _EPSILON = 0.9, 0.99, 1e-15
"""Source: Mueller et al. 2022, section 4."""


def all_finite(*tensors: Tensor) -> bool:
    """Whether all of these are numbers. On a GPU this waits, once."""
    return bool(torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).all())


def rate_at(start: float, left: float, progress: float) -> float:
    """Learning rate after a rise in the first hundredth of training, falling to `start * left` along half a cosine."""
    rise = min(0.1 + progress / 0.01, 1.0)
    return start * rise * (left + (1 - left) * 0.5 * (1 + math.cos(math.pi * min(max(progress, 0.0), 1.0))))


@dataclass
class Learned:
    """Several tensors as one row of numbers with one learning rate; changed in place."""

    values: Float[Tensor, "w"]
    first: Float[Tensor, "w"]
    second: Float[Tensor, "w"]
    steps: int
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, tensors: Sequence[Tensor], device: torch.device | str = "cpu") -> Learned:
        values = torch.cat([tensor.detach().reshape(-1) for tensor in tensors]).to(device)
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        return cls(values, torch.zeros_like(values), torch.zeros_like(values), 0, shapes)

    def parts(self, values: Float[Tensor, "w"] | None = None) -> list[Tensor]:
        """The tensors again: views of `values`, or of our own."""
        values = self.values if values is None else values
        flat = values.split([math.prod(shape) for shape in self.shapes])
        return [part.view(shape) for part, shape in zip(flat, self.shapes, strict=True)]

    def step(self, gradient: Float[Tensor, "w"], rate: float) -> None:
        """One step of Adam."""
        self.steps += 1
        self.first.lerp_(gradient, 1 - _BETA1)
        self.second.lerp_(gradient.square(), 1 - _BETA2)
        scale = math.sqrt(1 - _BETA2**self.steps) / (1 - _BETA1**self.steps)
        self.values.addcdiv_(self.first, self.second.sqrt() + _EPSILON, value=-rate * scale)

    def state_dict(self) -> dict[str, Tensor]:
        """On the CPU."""
        numbers = {name: getattr(self, name).to("cpu", copy=True) for name in ("values", "first", "second")}
        return numbers | {"steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state["values"].shape != self.values.shape:
            raise RuntimeError(f"{len(state['values'])} weights instead of {len(self.values)}")
        device = self.values.device
        self.values, self.first, self.second = (
            state[name].to(device, copy=True) for name in ("values", "first", "second")
        )
        self.steps = int(state["steps"])
