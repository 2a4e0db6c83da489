"""Samples along rays to pixels: emission and absorption, front to back, and how spread out the samples are.

Letters: `r` rays, `n` samples of all rays behind each other.
Sources: Max 1995, "Optical models for direct volume rendering", discretised as Mildenhall et al. 2020, eq. 3; the
distortion is eq. 15 of Barron et al. 2022 (Mip-NeRF 360).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.ops.device import kernel
from recon.ops.march import Samples

__all__ = ["Composited", "composite", "composite_reference", "distortion", "distortion_reference"]


class Composited(NamedTuple):
    """What rays see."""

    rgb: Float[Tensor, "r 3"]
    """Premultiplied by alpha."""
    alpha: Float[Tensor, "r"]
    depth: Float[Tensor, "r"]
    """Sum of weight times distance of the sample's middle; not divided by alpha."""
    weights: Float[Tensor, "n"]
    """How much of the pixel each sample is."""


def composite(
    density: Float[Tensor, "n"],
    rgb: Float[Tensor, "n 3"],
    samples: Samples,
    *,
    min_transmittance: float = 1e-4,
) -> Composited:
    """Pixels of rays, differentiable in `density` and `rgb`.

    A sample that less than `min_transmittance` of the light reaches has weight zero, as all behind it.
    """
    return Composited(*_Composite.apply(density, rgb, samples, min_transmittance))


class _Composite(torch.autograd.Function):
    @staticmethod
    def forward(ctx, density, rgb, samples, min_transmittance):
        count = len(samples.offsets) - 1
        inputs = (density.contiguous(), rgb.T.contiguous(), samples.offsets, samples.t0, samples.t1)
        outputs = tuple(density.new_empty(shape) for shape in ((count, 3), (count,), (count,), (len(density),)))
        kernel("composite", *inputs)(*inputs, min_transmittance, *outputs)
        ctx.save_for_backward(*inputs, outputs[-1])
        ctx.min_transmittance = min_transmittance
        return outputs

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        *inputs, weights = ctx.saved_tensors
        of_density, of_rgb = torch.empty_like(inputs[0]), torch.empty_like(inputs[1])
        kernel("composite_backward", *inputs, *grads)(
            *(*inputs, ctx.min_transmittance, weights, *(grad.contiguous() for grad in grads), of_density, of_rgb)
        )
        return of_density, of_rgb.T, None, None


def composite_reference(
    density: Float[Tensor, "n"],
    rgb: Float[Tensor, "n 3"],
    samples: Samples,
    *,
    min_transmittance: float = 1e-4,
) -> Composited:
    """`composite`, written to be read, for any floating type."""
    thickness = samples.padded(density * (samples.t1 - samples.t0).to(density))
    before = torch.exp(thickness - thickness.cumsum(dim=1))
    weight = torch.where(before >= min_transmittance, before * -torch.expm1(-thickness), 0)
    colour = torch.stack([(weight * samples.padded(channel)).sum(dim=1) for channel in rgb.unbind(dim=1)], dim=1)
    depth = (weight * samples.padded(samples.mid.to(density))).sum(dim=1)
    rays = samples.rays.long()
    return Composited(
        colour, weight.sum(dim=1), depth, weight[rays, torch.arange(len(density)) - samples.offsets[rays]]
    )


def distortion(weights: Float[Tensor, "n"], samples: Samples, *, scale: float = 1.0) -> Float[Tensor, "r"]:
    """How far apart each ray's weights lie: zero for one thin surface. Differentiable in `weights`.

    Distances are multiplied by `scale`.
    """
    return _Distortion.apply(weights, samples, scale)


class _Distortion(torch.autograd.Function):
    @staticmethod
    def forward(ctx, weights, samples, scale):
        inputs = (weights.contiguous(), samples.offsets, samples.t0, samples.t1)
        out = weights.new_empty(len(samples.offsets) - 1)
        kernel("distortion", *inputs)(*inputs, scale, None, out)
        ctx.save_for_backward(*inputs)
        ctx.scale = scale
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        inputs = ctx.saved_tensors
        of_weights = torch.empty_like(inputs[0])
        kernel("distortion", *inputs, grads[0])(*inputs, ctx.scale, grads[0].contiguous(), of_weights)
        return of_weights, None, None


def distortion_reference(weights: Float[Tensor, "n"], samples: Samples, *, scale: float = 1.0) -> Float[Tensor, "r"]:
    """`distortion`, written to be read, for any floating type."""
    w = samples.padded(weights)
    mid, width = (samples.padded(t.to(weights)) for t in (samples.mid, samples.t1 - samples.t0))
    pairs = w[:, :, None] * w[:, None, :] * (mid[:, :, None] - mid[:, None, :]).abs()
    return scale * (pairs.sum(dim=(1, 2)) + (w * w * width).sum(dim=1) / 3)
