"""From samples along rays to positions in the unit cube that the hash grid fills.

Letters: `r` rays, `n` samples.
Source: the contraction is eq. 10 of Barron et al. 2022 (Mip-NeRF 360), and a sample's width shrinks with it as in
Barron et al. 2023 (Zip-NeRF).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.ops.device import kernel
from recon.ops.march import Samples

__all__ = ["Placed", "place_samples", "place_samples_reference"]


class Placed(NamedTuple):
    """Where samples are, and how wide, in units of the cube's side."""

    positions: Float[Tensor, "n 3"]
    sigmas: Float[Tensor, "n"] | None


def place_samples(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    samples: Samples,
    *,
    center: tuple[float, float, float],
    radius: float,
    contract: bool,
    cone_radius: Float[Tensor, "r"] | None = None,
) -> Placed:
    """Midpoints of samples in the unit cube; the positions are differentiable in `origins` and `directions`.

    Without `contract` the cube is the one of half side `radius` around `center`. With it, the ball of that radius fills
    the inner half of the cube, and everything beyond the rest. `cone_radius` is a ray's standard deviation at distance
    one; without it there are no sigmas.
    """
    if cone_radius is not None and cone_radius.requires_grad:
        raise NotImplementedError("Samples' positions have no gradient in the width of their rays.")
    frame = (center, radius, contract)
    return Placed(*_Place.apply(origins, directions, samples, frame, cone_radius))


class _Place(torch.autograd.Function):
    @staticmethod
    def forward(ctx, origins, directions, samples, frame, cone_radius):
        rays = (origins.contiguous(), directions.contiguous(), samples.offsets, samples.t0, samples.t1)
        positions = origins.new_empty(3, len(samples))
        sigmas = None if cone_radius is None else origins.new_empty(len(samples))
        kernel("place_samples", *rays, cone_radius)(*rays, *frame, cone_radius, positions, sigmas)
        ctx.save_for_backward(*rays)
        ctx.frame = frame
        if sigmas is not None:
            ctx.mark_non_differentiable(sigmas)
        return positions.T, sigmas

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        rays = ctx.saved_tensors
        of_origins, of_directions = torch.empty_like(rays[0]), torch.empty_like(rays[1])
        planar = grads[0].T.contiguous()
        kernel("place_backward", *rays, planar)(*rays, *ctx.frame, planar, of_origins, of_directions)
        return of_origins, of_directions, None, None, None


def place_samples_reference(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    samples: Samples,
    *,
    center: tuple[float, float, float],
    radius: float,
    contract: bool,
    cone_radius: Float[Tensor, "r"] | None = None,
) -> Placed:
    """`place_samples`, written to be read, for any floating type."""
    rays, mid = samples.rays.long(), samples.mid.to(origins)
    y = (origins[rays] + directions[rays] * mid[:, None] - torch.tensor(center, dtype=origins.dtype)) / radius
    shrink = torch.full_like(mid, 1 / (2 * radius))
    positions = y / 2 + 0.5
    if contract:
        norm = y.norm(dim=1).clamp(min=1)
        factor = (2 - 1 / norm) / norm
        positions = y * (factor / 4)[:, None] + 0.5
        shrink = (factor**2 / norm**2).detach() ** (1 / 3) / (4 * radius)
    sigmas = None if cone_radius is None else mid * cone_radius[rays] * shrink
    return Placed(positions, sigmas)
