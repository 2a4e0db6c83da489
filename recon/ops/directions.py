"""Directions as 16 numbers that a small network can use: real spherical harmonics up to degree 3.

Order and signs are those of the Gaussians' colours (`recon.ops.splat_reference.sh_basis`).
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import normalize

from recon.ops.device import kernel
from recon.ops.splat_reference import sh_basis

__all__ = ["encode_directions", "encode_directions_reference"]


def encode_directions(directions: Float[Tensor, "r 3"]) -> Float[Tensor, "r 16"]:
    """The basis at unit vectors. Differentiable in `directions`; the gradient lies along the sphere."""
    return _Directions.apply(directions)


class _Directions(torch.autograd.Function):
    @staticmethod
    def forward(ctx, directions):
        directions, basis = directions.contiguous(), directions.new_empty(len(directions), 16)
        kernel("encode_directions", directions)(directions, basis)
        ctx.save_for_backward(directions)
        return basis

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        (directions,) = ctx.saved_tensors
        moved = torch.empty_like(directions)
        kernel("encode_directions_backward", directions, grads[0])(directions, grads[0].contiguous(), moved)
        return moved


def encode_directions_reference(directions: Float[Tensor, "r 3"]) -> Float[Tensor, "r 16"]:
    """`encode_directions`, written to be read, for any floating type."""
    return sh_basis(3, normalize(directions, dim=1))
