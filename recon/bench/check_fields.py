"""What is checked of the operators on radiance fields: encoding, networks, marching, compositing."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from recon.bench.checks import Check, Compared, largest, relative, with_gradients
from recon.ops.composite import composite, composite_reference, distortion, distortion_reference
from recon.ops.directions import encode_directions, encode_directions_reference
from recon.ops.hash_grid import HashGrid, hash_encode, hash_encode_reference
from recon.ops.march import OccupancyCubes, Samples, march, march_reference
from recon.ops.mlp import initial_weights, mlp, mlp_reference
from recon.ops.place import place_samples, place_samples_reference
from recon.ops.radiance_field import radiance_field, radiance_field_reference
from recon.ops.sparse_adam import sparse_adam_step, sparse_adam_step_reference

__all__ = ["field_checks"]

_GRID = HashGrid(levels=4, log2_entries=10, coarsest=4, finest=64)
_TOLERANCE = 1e-5
_BF16 = 2e-2
"""Eight bits of mantissa in every factor, two layers deep."""

Function = Callable[..., Sequence[Tensor]]


def field_checks() -> list[Check]:
    """Everything about radiance fields, on grids and networks of a few thousand numbers."""
    return [
        Check("hash encoding", "300 samples, 4 levels", _hash_grid),
        Check("network", "300 samples, 32-64-16", lambda device: _network(device, "fp32", _TOLERANCE)),
        Check("network, bf16", "300 samples, 32-64-16", lambda device: _network(device, "bf16", _BF16)),
        Check("radiance field", "200 samples on 20 rays", _field),
        Check("marching", "64 rays, 3 cubes", _march),
        Check("placing", "64 rays", _place),
        Check("compositing", "64 rays", _composite),
        Check("distortion", "64 rays", _distortion),
        Check("directions", "200 rays", _directions),
        Check("sparse Adam", "5000 entries, 5 steps", _sparse_adam),
    ]


def _sides(
    names: Sequence[str], mine: Function, reference: Function, leaves: Sequence[Tensor], limit: float
) -> list[Compared]:
    """Outputs and gradients of the two, both given the leaves; `mine` sees to it that they reach its device."""
    outputs, grads = with_gradients(mine, leaves)
    true_outputs, true_grads = with_gradients(reference, [leaf.double() for leaf in leaves])
    pairs = [*zip(outputs, true_outputs, strict=True), *zip(grads, true_grads, strict=True)]
    return [Compared(name, relative(a, b), limit) for name, (a, b) in zip(names, pairs, strict=True)]


def _hash_grid(device: torch.device) -> list[Compared]:
    r = torch.Generator().manual_seed(0)
    positions, sigmas = torch.rand(300, 3, generator=r), 0.05 * torch.rand(300, generator=r)
    tables = torch.randn(_GRID.entries, 2, generator=r)
    return _sides(
        ("features", "gradient of positions", "gradient of tables"),
        lambda p, t: [hash_encode(p.to(device), t.to(device), grid=_GRID, sigmas=sigmas.to(device))],
        lambda p, t: [hash_encode_reference(p, t, grid=_GRID, sigmas=sigmas.double())],
        [positions, tables],
        2 * _TOLERANCE,  # a position's cell begins at a float of the finest level
    )


def _network(device: torch.device, precision: str, limit: float) -> list[Compared]:
    r = torch.Generator().manual_seed(1)
    inputs, weights = torch.randn(300, 32, generator=r), initial_weights((32, 64, 16), r)
    return _sides(
        ("outputs", "gradient of inputs", "gradient of weights 1", "gradient of weights 2"),
        lambda x, *w: [mlp(x.to(device), [one.to(device) for one in w], precision=precision)],  # pyright: ignore
        lambda x, *w: [mlp_reference(x, w)],
        [inputs, *weights],
        limit,
    )


def _field(device: torch.device) -> list[Compared]:
    r = torch.Generator().manual_seed(2)
    rays = torch.arange(200, dtype=torch.int32) // 10
    density, colour = initial_weights((8, 16, 16), r), initial_weights((32, 16, 3), r)
    leaves = [torch.rand(200, 3, generator=r), torch.randn(_GRID.entries, 2, generator=r)]
    leaves += [torch.randn(20, 16, generator=r), *density, *colour]

    def run(function: Callable[..., Sequence[Tensor]], where: torch.device) -> Function:
        def with_leaves(*given: Tensor) -> Sequence[Tensor]:
            positions, tables, features, *weights = (leaf.to(where) for leaf in given)
            return function(positions, tables, features, rays.to(where), weights[:2], weights[2:], grid=_GRID)

        return with_leaves

    names = ["raw density", "raw colour", "gradient of positions", "gradient of tables", "gradient of rays' features"]
    names += [f"gradient of weights {i}" for i in range(1, 5)]
    cpu = torch.device("cpu")
    return _sides(names, run(radiance_field, device), run(radiance_field_reference, cpu), leaves, 2 * _TOLERANCE)


def _rays(count: int = 64) -> tuple[Tensor, Tensor, OccupancyCubes]:
    r = torch.Generator().manual_seed(3)
    origins = 0.4 * torch.randn(count, 3, generator=r)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=r), dim=1)
    occupied = torch.rand(3, 8, 8, 8, generator=r) < 0.4
    return origins, directions, OccupancyCubes(occupied, (0.1, -0.2, 0.05), 1.0)


def _samples() -> Samples:
    origins, directions, cubes = _rays()
    return march_reference(origins, directions, cubes, step=0.05, max_samples=1 << 14)


def _placed(samples: Samples, device: torch.device) -> Samples:
    return Samples(
        offsets=samples.offsets.to(device),
        rays=samples.rays.to(device),
        t0=samples.t0.to(device),
        t1=samples.t1.to(device),
        complete=samples.complete,
    )


def _march(device: torch.device) -> list[Compared]:
    """The very same samples as brute force; an interval whose middle lies on a cell's wall may fall to either side."""
    origins, directions, cubes = _rays()
    options = {"step": 0.05, "cone": 0.02, "near": 0.1, "max_samples": 1 << 14, "jitter": (5, 9)}
    there = OccupancyCubes(cubes.occupied.to(device), cubes.center, cubes.radius)
    mine = march(origins.to(device), directions.to(device), there, **options)
    true = march_reference(origins.double(), directions.double(), cubes, **options)
    counts, true_counts = mine.offsets.diff().cpu(), true.offsets.diff()
    compared = [Compared("samples on other sides of walls, share", relative(counts, true_counts), 1e-2)]
    same = counts == true_counts
    compared.append(Compared("rays with other samples, share", float((~same).float().mean()), 0.05))
    kept, true_kept = same[mine.rays.cpu().long()], same[true.rays.long()]
    if int(kept.sum()) == int(true_kept.sum()):
        compared.append(Compared("starts, largest", largest(mine.t0.cpu()[kept], true.t0[true_kept]), 1e-5))
    return compared


def _place(device: torch.device) -> list[Compared]:
    origins, directions, _ = _rays()
    samples, cone = _samples(), torch.full((64,), 0.01)
    options = {"center": (0.1, -0.2, 0.05), "radius": 1.0, "contract": True}

    def mine(o: Tensor, d: Tensor) -> Sequence[Tensor]:
        placed = place_samples(
            o.to(device), d.to(device), _placed(samples, device), cone_radius=cone.to(device), **options
        )
        assert placed.sigmas is not None
        return [placed.positions, placed.sigmas]

    def reference(o: Tensor, d: Tensor) -> Sequence[Tensor]:
        placed = place_samples_reference(o, d, samples, cone_radius=cone.double(), **options)
        assert placed.sigmas is not None
        return [placed.positions, placed.sigmas]

    names = ("positions", "widths", "gradient of origins", "gradient of directions")
    return _sides(names, mine, reference, [origins, directions], _TOLERANCE)


def _composite(device: torch.device) -> list[Compared]:
    samples, r = _samples(), torch.Generator().manual_seed(4)
    density, rgb = 3 * torch.rand(len(samples), generator=r), torch.rand(len(samples), 3, generator=r)
    there = _placed(samples, device)
    return _sides(
        ("colour", "alpha", "depth", "weights", "gradient of density", "gradient of colours"),
        lambda density, rgb: composite(density.to(device), rgb.to(device), there),
        lambda density, rgb: composite_reference(density, rgb, samples),
        [density, rgb],
        _TOLERANCE,
    )


def _distortion(device: torch.device) -> list[Compared]:
    samples, there = _samples(), _placed(_samples(), device)
    weights = torch.rand(len(samples), generator=torch.Generator().manual_seed(5)) / 20
    return _sides(
        ("distortion", "gradient of weights"),
        lambda weights: [distortion(weights.to(device), there)],
        lambda weights: [distortion_reference(weights, samples)],
        [weights],
        _TOLERANCE,
    )


def _directions(device: torch.device) -> list[Compared]:
    r = torch.Generator().manual_seed(6)
    directions = torch.nn.functional.normalize(torch.randn(200, 3, generator=r), dim=1)
    return _sides(
        ("basis", "gradient of directions"),
        lambda d: [encode_directions(d.to(device))],
        lambda d: [encode_directions_reference(d)],
        [directions],
        _TOLERANCE,
    )


def _sparse_adam(device: torch.device) -> list[Compared]:
    r = torch.Generator().manual_seed(7)
    start = torch.randn(5000, 2, generator=r)
    mine, true = [start.to(device, copy=True)], [start.double()]
    for tensors in (mine, true):
        tensors += [torch.zeros_like(tensors[0]), torch.zeros_like(tensors[0])]
    for step in range(1, 6):
        grads = torch.randn(5000, 2, generator=r) * (torch.rand(5000, 1, generator=r) < 0.3)
        options = {"learning_rate": 1e-2, "step": step}
        sparse_adam_step(mine[0], grads.to(device, copy=True), mine[1], mine[2], **options)
        sparse_adam_step_reference(true[0], grads.double(), true[1], true[2], **options)
    return [
        Compared("entries moved", relative(mine[0].cpu() - start, true[0] - start), 2e-5),
        Compared("first moment", relative(mine[1], true[1]), _TOLERANCE),
        Compared("second moment", relative(mine[2], true[2]), _TOLERANCE),
    ]
