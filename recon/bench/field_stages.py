"""The stages of training a radiance field. Samples are spread evenly, as early in training: what caches like least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.bench.stages import Stage, Work
from recon.ops.composite import composite
from recon.ops.hash_grid import HashGrid, hash_encode
from recon.ops.march import OccupancyCubes, Samples, march
from recon.ops.mlp import initial_weights, mlp
from recon.ops.radiance_field import radiance_field
from recon.ops.sparse_adam import sparse_adam_step

__all__ = ["field_input_name", "field_stages"]

_A_RAY = 32
"""Samples on one."""
_HIDDEN, _GEOMETRY, _DIRECTION = 64, 16, 16
"""Widths of the networks: Mueller et al. 2022, section 5.4."""


@dataclass(frozen=True)
class _Field:
    """What the stages work on."""

    tables: Tensor
    positions: Tensor
    rays: Tensor
    features: Tensor
    density: list[Tensor]
    colour: list[Tensor]
    samples: Samples

    @property
    def count(self) -> int:
        return len(self.positions)


def field_input_name(samples: int, grid: HashGrid) -> str:
    return f"field {samples // 1024}Ki samples, tables of 2^{grid.log2_entries}"


def field_stages(samples: int, grid: HashGrid, device: torch.device) -> list[Stage]:
    """Each operator of a step both ways, on this many samples."""
    field = _field(samples, grid, device)
    n = field.count
    gathered = n * 8 * grid.levels * 8  # 8 corners of 2 floats
    networks = [*field.density, *field.colour]
    multiplied = 2.0 * n * sum(weight.numel() for weight in networks)
    encoded = n * 4 * grid.features
    inputs = torch.rand(n, grid.features, device=device)
    values = torch.rand(n, device=device), torch.rand(n, 3, device=device)

    def encode(tables: Tensor) -> Sequence[Tensor]:
        return [hash_encode(field.positions, tables, grid=grid)]

    def network(inputs: Tensor, *weights: Tensor) -> Sequence[Tensor]:
        return [mlp(inputs, weights)]

    def together(tables: Tensor, features: Tensor, *weights: Tensor) -> Sequence[Tensor]:
        cut = len(field.density)
        return radiance_field(field.positions, tables, features, field.rays, weights[:cut], weights[cut:], grid=grid)

    def blend(density: Tensor, rgb: Tensor) -> Sequence[Tensor]:
        return composite(density, rgb, field.samples)[:3]

    first = 2.0 * n * sum(weight.numel() for weight in field.density)
    return [
        *_both_ways("hash encoding", encode, [field.tables], Work(gathered + encoded), Work(2 * gathered + encoded)),
        *_both_ways("network", network, [inputs, *field.density], Work(encoded, first), Work(2 * encoded, 2 * first)),
        *_both_ways(
            "radiance field",
            together,
            [field.tables, field.features, *networks],
            Work(gathered + 16 * n, multiplied),
            Work(2 * gathered + 16 * n, 2 * multiplied),
        ),
        *_both_ways("compositing", blend, values, Work(24 * n), Work(40 * n)),
        _march_stage(samples, device),
        _sparse_adam_stage(field),
    ]


def _both_ways(
    name: str, run: Callable[..., Sequence[Tensor]], leaves: Sequence[Tensor], there: Work, back: Work
) -> list[Stage]:
    """Two stages: the outputs, and the gradients of all leaves."""
    grown = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    outputs: list[Tensor] = []
    cotangents: list[Tensor] = []

    def forward() -> None:
        outputs[:] = run(*grown)

    def backward() -> None:
        if len(cotangents) == 0:
            cotangents.extend(torch.randn_like(output) for output in outputs)
        torch.autograd.grad(outputs, grown, cotangents)

    return [
        Stage(f"{name}, forward", forward, lambda: there),
        Stage(f"{name}, backward", backward, lambda: back, needs=(f"{name}, forward",)),
    ]


def _march_stage(samples: int, device: torch.device) -> Stage:
    """Through a shell of occupied cells, a tenth of the cube."""
    r = torch.Generator().manual_seed(1)
    rays = samples // _A_RAY
    axis = (torch.arange(64) + 0.5) / 32 - 1
    radius = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij")).norm(dim=0)
    occupied = ((radius - 0.7).abs() < 0.06)[None]
    cubes = OccupancyCubes(occupied.to(device), (0.0, 0.0, 0.0), 1.0)
    outside = torch.nn.functional.normalize(torch.randn(rays, 3, generator=r), dim=1)
    towards = torch.nn.functional.normalize(0.5 * torch.randn(rays, 3, generator=r) - 2 * outside, dim=1)
    origins, directions = (2 * outside).to(device), towards.to(device)
    found: list[Samples] = []

    def run() -> None:
        found[:] = [march(origins, directions, cubes, step=3**0.5 / 256, max_samples=samples)]

    return Stage("marching", run, counts=lambda: {"rays": rays, "samples": len(found[0]) if found else 0})


def _sparse_adam_stage(field: _Field) -> Stage:
    """A step that touched every entry."""
    tables, moments = field.tables.clone(), [torch.zeros_like(field.tables) for _ in range(2)]
    grads = torch.ones_like(tables)

    def run() -> None:
        grads.fill_(1e-3)  # the step clears it
        sparse_adam_step(tables, grads, *moments, learning_rate=1e-9, step=1)

    return Stage("sparse Adam", run, lambda: Work(9 * tables.nbytes))


def _field(samples: int, grid: HashGrid, device: torch.device) -> _Field:
    r = torch.Generator().manual_seed(0)
    rays = torch.arange(samples, dtype=torch.int32) // _A_RAY
    density = initial_weights((grid.features, _HIDDEN, _GEOMETRY), r)
    colour = initial_weights((_GEOMETRY + _DIRECTION, _HIDDEN, _HIDDEN, 3), r)
    ends = torch.linspace(0, 2, _A_RAY + 1)
    count = -(-samples // _A_RAY)
    return _Field(
        tables=grid.tables(r).to(device),
        positions=torch.rand(samples, 3, generator=r).to(device),
        rays=rays.to(device),
        features=torch.randn(count, _DIRECTION, generator=r).to(device),
        density=[weight.to(device) for weight in density],
        colour=[weight.to(device) for weight in colour],
        samples=Samples(
            offsets=(torch.arange(count + 1) * _A_RAY).to(device),
            rays=rays.to(device),
            t0=ends[:-1].repeat(count).to(device),
            t1=ends[1:].repeat(count).to(device),
            complete=count,
        ),
    )
