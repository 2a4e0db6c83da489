"""CUDA kernels of radiance fields, emulated: the same bits whichever thread comes first, and the CPU kernels' results.

Run by test_simt_operators.py, in a process that has the emulated kernels.
"""

from __future__ import annotations

import os

import pytest
import torch
from emulator import EMULATED
from test_composite import COUNTS, field, packed
from test_march import cubes, rays
from test_radiance_field import GRID, cotangents, learning, leaves, scene
from test_thread_order import in_every_order, on_the_cpu
from torch import Tensor

from recon.ops.composite import composite, distortion
from recon.ops.directions import encode_directions
from recon.ops.hash_grid import hash_encode
from recon.ops.march import march
from recon.ops.place import place_samples
from recon.ops.radiance_field import radiance_field
from recon.ops.sparse_adam import sparse_adam_step

pytestmark = pytest.mark.skipif(EMULATED not in os.environ, reason="run by test_simt_operators.py on emulated kernels")


def relative(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp(min=1e-12))


def with_gradients(outputs: list[Tensor], of: list[Tensor]) -> list[Tensor]:
    """Outputs, and gradients for random cotangents."""
    r = torch.Generator().manual_seed(7)
    torch.autograd.backward(outputs, [torch.randn(output.shape, generator=r) for output in outputs])
    grads = [leaf.grad for leaf in of]
    assert all(grad is not None for grad in grads)
    return [*(output.detach() for output in outputs), *(grad for grad in grads if grad is not None)]


def look(precision: str) -> list[Tensor]:
    """A field on 300 samples, of which most share their entries with others."""
    of = learning(scene(300), torch.float32)
    outputs = radiance_field(**of, grid=GRID, precision=precision)  # pyright: ignore[reportArgumentType]
    torch.autograd.backward([*outputs], [*cotangents(300)])
    grads = [leaf.grad for leaf in leaves(of)]
    return [*(output.detach() for output in outputs), *(grad for grad in grads if grad is not None)]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_order_of_threads_changes_no_bit_of_a_field(precision: str) -> None:
    mine, reference = in_every_order(look, precision), on_the_cpu(look, "fp32")
    for a, b in zip(mine, reference, strict=True):
        assert relative(a, b) < (1e-5 if precision == "fp32" else 1e-2)


def crowd() -> list[Tensor]:
    """Five hundred samples in one cell, their gradients of very different size."""
    r = torch.Generator().manual_seed(6)
    x = (0.4 + 0.01 * torch.rand(500, 3, generator=r)).requires_grad_()
    tables = torch.randn(GRID.entries, 2, generator=r).requires_grad_()
    sizes = 10.0 ** torch.randint(-6, 3, (500, 1), generator=r)
    features = hash_encode(x, tables, grid=GRID)
    features.backward(torch.randn(500, GRID.features, generator=r) * sizes)
    assert x.grad is not None
    assert tables.grad is not None
    return [features.detach(), x.grad, tables.grad]


def test_the_order_of_threads_changes_no_bit_of_a_crowded_cell() -> None:
    for a, b in zip(in_every_order(crowd), on_the_cpu(crowd), strict=True):
        assert relative(a, b) < 1e-6


def test_a_gradient_that_is_no_number_shows_in_its_entries() -> None:
    x, tables = torch.full((2, 3), 0.3), torch.zeros(GRID.entries, 2).requires_grad_()
    x[1] = 0.9
    grads = torch.ones(2, GRID.features)
    grads[0, 0] = torch.nan
    hash_encode(x, tables, grid=GRID).backward(grads)
    assert tables.grad is not None
    broken = tables.grad.isnan().any(dim=1)
    assert 0 < int(broken.sum()) <= 8
    assert broken.nonzero().max() < GRID.offsets[1]
    assert float(tables.grad[~broken].sum()) > 0


def seen() -> list[Tensor]:
    samples = packed(COUNTS)
    density, rgb = (value.requires_grad_() for value in field(len(samples)))
    out = composite(density, rgb, samples)
    spread = distortion(out.weights, samples, scale=0.3)
    return with_gradients([*out, spread], [density, rgb])


def test_the_order_of_threads_changes_no_bit_of_pixels() -> None:
    for a, b in zip(in_every_order(seen), on_the_cpu(seen), strict=True):
        assert relative(a, b) < 1e-5


def walk(most: int) -> list[Tensor]:
    """Marched samples, in the unit cube, with the rays' directions."""
    origins, directions = (value.requires_grad_() for value in rays(90, inside=True))
    samples = march(origins, directions, cubes(0.3, 3, 32), step=0.05, cone=0.02, max_samples=most, jitter=(3, 2**40))
    widths = torch.full((90,), 1e-3)
    frame = {"center": (0.1, -0.2, 0.3), "radius": 0.8, "contract": True}
    placed = place_samples(origins, directions, samples, cone_radius=widths, **frame)
    assert placed.sigmas is not None
    both = with_gradients([placed.positions, encode_directions(directions)], [origins, directions])
    places = [samples.offsets, samples.rays, samples.t0, samples.t1, torch.tensor(samples.complete)]
    return [*(value.double() for value in places), placed.sigmas, *both]


@pytest.mark.parametrize("most", [0, 500, 10**6])
def test_the_order_of_threads_changes_no_bit_of_samples(most: int) -> None:
    for a, b in zip(in_every_order(walk, most), on_the_cpu(walk, most), strict=True):
        assert a.shape == b.shape
        assert relative(a, b) < 1e-5


def step() -> list[Tensor]:
    r = torch.Generator().manual_seed(8)
    tables, grads, first, second = (torch.randn(301, 2, generator=r) for _ in range(4))
    grads = grads * (torch.rand(301, 2, generator=r) < 0.5)
    second = second.abs()
    sparse_adam_step(tables, grads, first, second, learning_rate=0.01, step=4)
    return [tables, grads, first, second]


def test_the_order_of_threads_changes_no_bit_of_a_step_of_tables() -> None:
    for a, b in zip(in_every_order(step), on_the_cpu(step), strict=True):
        assert relative(a, b) < 1e-6
