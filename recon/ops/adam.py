"""Adam on blocks of Gaussians, one learning rate a plane, leaving alone the Gaussians that no pixel saw.

Source: Kingma & Ba 2015, algorithm 1, with epsilon 1e-15 as Kerbl et al. 2023 use it. A Gaussian out of sight keeps its
parameters and its moments; the bias correction counts all steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.ops.native import native

__all__ = ["Moments", "adam_step", "adam_step_reference"]

BETAS = (0.9, 0.999)
EPSILON = 1e-15


@dataclass(frozen=True)
class Moments:
    """Adam's running means of the gradient and of its square; updated in place."""

    first: Float[Tensor, "b c 16"]
    second: Float[Tensor, "b c 16"]

    @staticmethod
    def zeros_like(blocks: Float[Tensor, "b c 16"]) -> Moments:
        return Moments(torch.zeros_like(blocks), torch.zeros_like(blocks))


def adam_step(
    blocks: Float[Tensor, "b c 16"],
    grads: Float[Tensor, "b c 16"],
    moments: Moments,
    *,
    learning_rates: Float[Tensor, "c"],
    step: int,
    seen: Bool[Tensor, "g"] | None = None,
    betas: tuple[float, float] = BETAS,
    epsilon: float = EPSILON,
) -> None:
    """Update `blocks` and `moments` in place. `step` counts from 1; `seen` has a flag for each of the 16 b places."""
    native().adam_step(
        blocks.detach(),
        moments.first,
        moments.second,
        grads,
        learning_rates,
        seen,
        step,
        *betas,
        epsilon,
        torch.get_num_threads(),
    )


def adam_step_reference(
    blocks: Float[Tensor, "b c 16"],
    grads: Float[Tensor, "b c 16"],
    moments: Moments,
    *,
    learning_rates: Float[Tensor, "c"],
    step: int,
    seen: Bool[Tensor, "g"] | None = None,
    betas: tuple[float, float] = BETAS,
    epsilon: float = EPSILON,
) -> None:
    """`adam_step`, written to be read, for any floating type."""
    first = betas[0] * moments.first + (1 - betas[0]) * grads
    second = betas[1] * moments.second + (1 - betas[1]) * grads**2
    mean, square = first / (1 - betas[0] ** step), second / (1 - betas[1] ** step)
    moved = blocks.detach() - learning_rates[:, None] * mean / (square.sqrt() + epsilon)
    everything = torch.ones(len(blocks) * 16, dtype=torch.bool, device=blocks.device)
    flags = (everything if seen is None else seen).view(-1, 1, 16)
    for old, new in ((blocks.detach(), moved), (moments.first, first), (moments.second, second)):
        old.copy_(torch.where(flags, new, old))
