"""The hash encoding: what it must be by itself, and against plain torch in double precision."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recon.ops.hash_grid import HashGrid, hash_encode, hash_encode_reference

GRID = HashGrid(levels=5, log2_entries=10, coarsest=3, finest=40)
"""Two dense levels and three hashed ones."""


def positions(n: int, seed: int = 0) -> Tensor:
    return torch.rand(n, 3, generator=torch.Generator().manual_seed(seed))


def tables(grid: HashGrid = GRID) -> Tensor:
    return torch.randn(grid.entries, 2, generator=torch.Generator().manual_seed(1))


def reference(x: Tensor, values: Tensor, grid: HashGrid) -> Tensor:
    return hash_encode_reference(x.double(), values.double(), grid=grid)


def relative_error(value: Tensor, truth: Tensor | None) -> float:
    assert truth is not None
    return float((value.detach().double() - truth.detach()).norm() / truth.detach().norm().clamp(min=1e-12))


def test_levels_are_dense_while_they_fit():
    assert [GRID.is_dense(level) for level in range(GRID.levels)] == [True, True, False, False, False]
    assert GRID.resolutions[0] == 3
    assert GRID.resolutions[-1] == 40
    assert all(offset % 8 == 0 for offset in GRID.offsets)


def test_a_dense_level_interpolates_a_linear_function_exactly():
    # Values that are linear in the vertex stay linear in between.
    grid = HashGrid(levels=1, log2_entries=10, coarsest=5, finest=5)
    vertex = torch.cartesian_prod(*[torch.arange(7.0)] * 3).flip(1)
    values = torch.zeros(grid.entries, 2)
    values[: len(vertex), 0] = vertex @ torch.tensor([1.0, 2.0, 3.0])
    values[: len(vertex), 1] = 1
    x = positions(100)
    features = hash_encode(x, values, grid=grid)
    torch.testing.assert_close(features[:, 0], (x * 5 + 0.5) @ torch.tensor([1.0, 2.0, 3.0]))
    torch.testing.assert_close(features[:, 1], torch.ones(100))


def test_wide_samples_see_coarse_levels_only():
    x, values = positions(4), tables()
    sharp = hash_encode(x, values, grid=GRID).view(4, -1, 2)
    for sigma in (1e-6, 1 / 30, 10.0):
        blurred = hash_encode(x, values, grid=GRID, sigmas=torch.full((4,), sigma)).view(4, -1, 2)
        for level, resolution in enumerate(GRID.resolutions):
            weight = math.erf(1 / math.sqrt(8 * (sigma * resolution) ** 2))
            torch.testing.assert_close(blurred[:, level], sharp[:, level] * weight, rtol=1e-5, atol=1e-6)


def test_positions_outside_count_as_the_nearest_inside():
    x, values = positions(20) * 3 - 1, tables()
    assert torch.equal(hash_encode(x, values, grid=GRID), hash_encode(x.clamp(0, 1), values, grid=GRID))


@pytest.mark.parametrize("n", [0, 1, 63, 1000])
@pytest.mark.parametrize("wide", [False, True])
def test_features_and_gradients_match_the_reference_in_double(isa, n, wide):
    x, values = positions(n).requires_grad_(), tables().requires_grad_()
    sigmas = torch.rand(n, generator=torch.Generator().manual_seed(3)) * 0.1 if wide else None
    x_truth, truth = x.detach().double().requires_grad_(), values.detach().double().requires_grad_()
    cotangent = torch.randn(n, GRID.features, generator=torch.Generator().manual_seed(2))
    features = hash_encode(x, values, grid=GRID, sigmas=sigmas)
    expected = hash_encode_reference(x_truth, truth, grid=GRID, sigmas=None if sigmas is None else sigmas.double())
    features.backward(cotangent)
    expected.backward(cotangent.double())
    assert values.grad is not None
    assert x.grad is not None
    assert relative_error(features, expected) < 1e-6
    assert relative_error(values.grad, truth.grad) < 1e-6
    assert relative_error(x.grad, x_truth.grad) < 1e-5


def test_a_fine_level_is_as_exact_as_a_coarse_one(isa):
    # A coordinate at level 2048 has 2^-13 of a cell between neighbouring floats; where it lies in its cell is exact.
    grid = HashGrid(levels=2, log2_entries=14, coarsest=2000, finest=2048)
    x, values = positions(2000), tables(grid)
    assert relative_error(hash_encode(x, values, grid=grid), reference(x, values, grid)) < 1e-6


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    results = []
    cotangent = torch.randn(20_000, GRID.features, generator=torch.Generator().manual_seed(2))
    for threads in (1, 2, 3):
        set_threads(threads)
        x, values = positions(20_000).requires_grad_(), tables().requires_grad_()
        features = hash_encode(x, values, grid=GRID, sigmas=torch.full((20_000,), 0.02))
        features.backward(cotangent)
        results.append((features.detach(), values.grad, x.grad))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


@pytest.mark.parametrize("edge", [0.0, 1.0])
def test_the_cubes_faces_belong_to_it(isa, edge):
    x, values = positions(16), tables()
    x[:, 1] = edge
    assert relative_error(hash_encode(x, values, grid=GRID), reference(x, values, GRID)) < 1e-6


def test_the_reference_passes_gradcheck():
    grid = HashGrid(levels=2, log2_entries=6, coarsest=2, finest=8)  # one dense, one hashed
    x, values = positions(3).double().requires_grad_(), tables(grid).double().requires_grad_()
    sigmas = torch.tensor([0.01, 0.1, 0.3], dtype=torch.float64)

    def encode(x: Tensor, values: Tensor) -> Tensor:
        return hash_encode_reference(x, values, grid=grid, sigmas=sigmas)

    assert torch.autograd.gradcheck(encode, (x, values), eps=1e-7, atol=1e-5)


def test_gradients_can_be_collected_in_a_buffer():
    x, values = positions(30), tables().requires_grad_()
    cotangent = torch.randn(30, GRID.features, generator=torch.Generator().manual_seed(2))
    hash_encode(x, values, grid=GRID).backward(cotangent)
    assert values.grad is not None
    expected, buffer = values.grad.clone(), torch.ones_like(values)
    values.grad = None
    hash_encode(x, values, grid=GRID, table_grad=buffer).backward(cotangent)
    assert values.grad is None
    torch.testing.assert_close(buffer - 1, expected, rtol=1e-5, atol=1e-6)


def test_a_gradient_in_the_widths_is_refused():
    with pytest.raises(NotImplementedError, match="width"):
        hash_encode(positions(2), tables(), grid=GRID, sigmas=torch.ones(2).requires_grad_())
