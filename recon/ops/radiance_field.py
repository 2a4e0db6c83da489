"""A radiance field at samples along rays: hash encoding, density network, colour network, in blocks of samples.

Letters: `n` samples, `r` rays, `d` features of a ray, `e` table entries.
Source: Mueller et al. 2022, section 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.ops.device import kernel
from recon.ops.hash_grid import HashGrid, hash_backward, hash_encode_reference
from recon.ops.mlp import Precision, joined, mlp_reference, split, widths_of

__all__ = ["RadianceField", "radiance_field", "radiance_field_reference"]


class RadianceField(NamedTuple):
    """What the networks say, before any activation."""

    raw_density: Float[Tensor, "n"]
    raw_rgb: Float[Tensor, "n 3"]


def radiance_field(
    positions: Float[Tensor, "n 3"],
    tables: Float[Tensor, "e 2"],
    ray_features: Float[Tensor, "r d"],
    rays: Int[Tensor, "n"],
    density_weights: Sequence[Tensor],
    colour_weights: Sequence[Tensor],
    *,
    grid: HashGrid,
    sigmas: Float[Tensor, "n"] | None = None,
    table_grad: Float[Tensor, "e 2"] | None = None,
    precision: Precision = "fp32",
) -> RadianceField:
    """Density and colour at `positions` in the unit cube. Differentiable in every float but `sigmas`.

    The density network's first output is the density; all of them follow the ray's features into the colour network.
    `rays` says which ray a sample lies on, in order; on a GPU nobody looks whether it is.
    See `hash_encode` for `sigmas` and `table_grad`.
    """
    if sigmas is not None and sigmas.requires_grad:
        raise NotImplementedError("The radiance field has no gradient in the samples' widths.")
    options = _Options(grid, len(density_weights), precision, table_grad)
    return RadianceField(
        *_RadianceField.apply(positions, tables, ray_features, rays, sigmas, options, *density_weights, *colour_weights)
    )


class _Options(NamedTuple):
    grid: HashGrid
    density_layers: int
    precision: Precision
    table_grad: Tensor | None


class _RadianceField(torch.autograd.Function):
    @staticmethod
    def forward(ctx, positions, tables, ray_features, rays, sigmas, options, *weights):
        n, grid = len(positions), options.grid
        planar, encoded = positions.T.contiguous(), positions.new_empty(grid.features, n)
        encode = kernel("hash_encode", planar, sigmas, tables)
        encode(grid.resolutions, grid.offsets, planar, sigmas, tables.detach(), encoded)
        known, rays = ray_features.detach().contiguous(), rays.int()
        networks = *(widths_of(part) for part in _networks(weights, options)), joined(weights)
        raw_density, raw_rgb = positions.new_empty(n), positions.new_empty(3, n)
        look = kernel("field_forward", encoded, known, rays, networks[-1])
        look(*networks, encoded, known, rays, raw_density, raw_rgb, options.precision == "bf16")
        ctx.save_for_backward(planar, tables, known, rays, sigmas, encoded)
        ctx.options, ctx.networks, ctx.shapes = options, networks, [weight.shape for weight in weights]
        return raw_density, raw_rgb.T

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        planar, tables, known, rays, sigmas, encoded = ctx.saved_tensors
        options, (density, colour, flat) = ctx.options, ctx.networks
        of_encoded, of_rays, of_weights = torch.empty_like(encoded), torch.zeros_like(known), torch.empty_like(flat)
        size = kernel("field_workspace", encoded)(density, colour, len(rays), *known.shape)
        kernel("field_backward", encoded, known, rays, *grads)(
            *(*ctx.networks, encoded, known, rays, grads[0].contiguous(), grads[1].T.contiguous()),
            *(of_encoded, of_rays, of_weights, flat.new_empty(size), options.precision == "bf16"),
        )
        of_positions, of_tables = hash_backward(
            *(planar, tables, sigmas, of_encoded, options.table_grad),
            grid=options.grid,
            wanted=(ctx.needs_input_grad[0], ctx.needs_input_grad[1]),
        )
        return of_positions, of_tables, of_rays, None, None, None, *split(of_weights, ctx.shapes)


def _networks(weights: Sequence[Tensor], options: _Options) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    return weights[: options.density_layers], weights[options.density_layers :]


def radiance_field_reference(
    positions: Float[Tensor, "n 3"],
    tables: Float[Tensor, "e 2"],
    ray_features: Float[Tensor, "r d"],
    rays: Int[Tensor, "n"],
    density_weights: Sequence[Tensor],
    colour_weights: Sequence[Tensor],
    *,
    grid: HashGrid,
    sigmas: Float[Tensor, "n"] | None = None,
) -> RadianceField:
    """`radiance_field`, written to be read, for any floating type."""
    geometry = mlp_reference(hash_encode_reference(positions, tables, grid=grid, sigmas=sigmas), density_weights)
    together = torch.cat([ray_features[rays.long()], geometry], dim=1)
    return RadianceField(geometry[:, 0], mlp_reference(together, colour_weights))
