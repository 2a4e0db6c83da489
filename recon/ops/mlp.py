"""A small network without biases: linear, ReLU, ..., linear, a block of samples through all layers in the cache.

Letters: `n` samples, `k` inputs, `o` outputs. Weights are `[out in]`, as in `torch.nn.Linear`.
Source: Mueller et al. 2021, "Real-time neural radiance caching for path tracing" (the fully fused network).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.ops.device import gpu_kernels, kernel
from recon.ops.native import native

__all__ = ["Precision", "bf16_runs_natively", "initial_weights", "joined", "mlp", "mlp_reference", "split", "widths_of"]

Precision = Literal["fp32", "bf16"]
"""What products are computed in; sums are always float32."""


def initial_weights(sizes: Sequence[int], generator: torch.Generator | None = None) -> list[Tensor]:
    """Kaiming's uniform start for a network with these widths, inputs first."""
    weights = []
    for inputs, outputs in itertools.pairwise(sizes):
        bound = math.sqrt(6 / inputs)
        weights.append((torch.rand(outputs, inputs, generator=generator) * 2 - 1) * bound)
    return weights


def bf16_runs_natively(device: Literal["cpu", "cuda"] = "cpu") -> bool:
    """Whether the device multiplies bf16 matrices; where it does not, "bf16" is computed in float32."""
    kernels = gpu_kernels(torch.empty(0, device=device))
    return native().bf16_tiles() if kernels is None else kernels.cuda_bf16_tiles()


def mlp(
    inputs: Float[Tensor, "n k"], weights: Sequence[Tensor], *, precision: Precision = "fp32"
) -> Float[Tensor, "n o"]:
    """The network's outputs. Differentiable in `inputs` and `weights`."""
    return _Mlp.apply(inputs, precision, *weights)


class _Mlp(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, precision, *weights):
        planar, flat, widths = inputs.T.contiguous(), joined(weights), widths_of(weights)
        outputs = inputs.new_empty(widths[-1], len(inputs))
        kernel("mlp_forward", planar, flat)(widths, flat, planar, outputs, precision == "bf16")
        ctx.save_for_backward(planar, flat)
        ctx.shapes, ctx.widths, ctx.precision = [weight.shape for weight in weights], widths, precision
        return outputs.T

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        planar, flat = ctx.saved_tensors
        of_inputs = torch.empty_like(planar) if ctx.needs_input_grad[0] else None
        of_weights = torch.empty_like(flat)
        size = kernel("mlp_workspace", planar)(ctx.widths, len(flat), planar.shape[1])
        kernel("mlp_backward", planar, grads[0])(
            *(ctx.widths, flat, planar, grads[0].T.contiguous(), of_inputs, of_weights),
            *(flat.new_empty(size), ctx.precision == "bf16"),
        )
        return None if of_inputs is None else of_inputs.T, None, *split(of_weights, ctx.shapes)


def joined(weights: Sequence[Tensor]) -> Float[Tensor, "w"]:
    """The networks' weights behind each other, as the kernels read them."""
    return torch.cat([weight.detach().reshape(-1) for weight in weights])


def split(flat: Float[Tensor, "w"], shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Inverse of `joined`."""
    parts = flat.split([shape.numel() for shape in shapes])
    return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]


def widths_of(weights: Sequence[Tensor]) -> list[int]:
    """Inputs, hidden layers, outputs."""
    return [weights[0].shape[1], *(weight.shape[0] for weight in weights)]


def mlp_reference(inputs: Float[Tensor, "n k"], weights: Sequence[Tensor]) -> Float[Tensor, "n o"]:
    """`mlp`, written to be read, for any floating type."""
    values = inputs
    for weight in weights[:-1]:
        values = torch.relu(values @ weight.T)
    return values @ weights[-1].T
