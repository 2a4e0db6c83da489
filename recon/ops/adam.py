"""Adam on blocks of Gaussians, one learning rate a plane, leaving alone the Gaussians that no pixel saw.

Source: Kingma & Ba 2015, algorithm 1, with epsilon 1e-15 as Kerbl et al. 2023 use it. A Gaussian out of sight keeps its
parameters and its moments; the bias correction counts all steps. On a GPU the moments may be codes of a byte each
(`recon.ops.moments`), which makes the whole state of a Gaussian with three bands 354 bytes instead of 708.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int8, UInt8
from torch import Tensor

from recon.ops.device import gpu_kernels, stream_of
from recon.ops.native import native

__all__ = ["Moments", "adam_step", "adam_step_reference"]

BETAS = (0.9, 0.999)
EPSILON = 1e-15


@dataclass(frozen=True)
class Moments:
    """Adam's running means of the gradient and of its square; updated in place."""

    first: Float[Tensor, "b c 16"] | Int8[Tensor, "b c 16"]
    second: Float[Tensor, "b c 16"] | UInt8[Tensor, "b c 16"]

    @staticmethod
    def zeros_like(blocks: Float[Tensor, "b c 16"], *, coded: bool = False) -> Moments:
        kinds = (torch.int8, torch.uint8) if coded else (blocks.dtype, blocks.dtype)
        return Moments(*(torch.zeros_like(blocks, dtype=kind) for kind in kinds))

    @property
    def coded(self) -> bool:
        """Bytes, for the GPU, instead of floats."""
        return self.first.dtype == torch.int8


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
    """Update `blocks` and `moments` in place. `step` counts from 1; `seen` has a flag for each of the 16 b places.

    The learning rates are on the CPU, all else on one device.
    """
    tensors = (blocks.detach(), moments.first, moments.second, grads, learning_rates, seen)
    kernels = gpu_kernels(blocks, moments.first, moments.second, grads, seen)
    if kernels is not None:
        kernels.cuda_adam_step(*tensors, step, *betas, epsilon, stream_of(blocks))
        return
    if moments.coded:
        raise NotImplementedError("Moments in a byte are for the GPU: decode them first (recon.ops.moments).")
    native().adam_step(*tensors, step, *betas, epsilon, torch.get_num_threads())


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
