"""Adam for tables of which a step touches a part: entries without a gradient keep their value and their moments.

Source: Kingma & Ba 2015, algorithm 1; skipping as Mueller et al. 2022, section 4, do. The bias correction counts all
steps.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.device import kernel

__all__ = ["sparse_adam_step", "sparse_adam_step_reference"]

BETAS = (0.9, 0.99)
EPSILON = 1e-15
"""Both from Mueller et al. 2022, section 4."""


def sparse_adam_step(
    tables: Float[Tensor, "e 2"],
    table_grad: Float[Tensor, "e 2"],
    first: Float[Tensor, "e 2"],
    second: Float[Tensor, "e 2"],
    *,
    learning_rate: float,
    step: int,
    betas: tuple[float, float] = BETAS,
    epsilon: float = EPSILON,
) -> None:
    """Update `tables` and the moments `first` and `second` in place, and clear `table_grad`. `step` counts from 1."""
    tensors = (tables.detach(), table_grad, first, second)
    kernel("sparse_adam", *tensors)(*tensors, step, learning_rate, *betas, epsilon)


def sparse_adam_step_reference(
    tables: Float[Tensor, "e 2"],
    table_grad: Float[Tensor, "e 2"],
    first: Float[Tensor, "e 2"],
    second: Float[Tensor, "e 2"],
    *,
    learning_rate: float,
    step: int,
    betas: tuple[float, float] = BETAS,
    epsilon: float = EPSILON,
) -> None:
    """`sparse_adam_step`, written to be read, for any floating type."""
    new_first = betas[0] * first + (1 - betas[0]) * table_grad
    new_second = betas[1] * second + (1 - betas[1]) * table_grad**2
    mean, square = new_first / (1 - betas[0] ** step), new_second / (1 - betas[1] ** step)
    moved = tables.detach() - learning_rate * mean / (square.sqrt() + epsilon)
    touched = table_grad != 0
    for old, new in ((tables.detach(), moved), (first, new_first), (second, new_second)):
        old.copy_(torch.where(touched, new, old))
    table_grad.zero_()
