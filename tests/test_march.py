"""Marching through occupied cells: which intervals become samples, and how they are packed."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recon.ops.march import OccupancyCubes, march, march_reference


def rays(r: int, *, inside: bool = False, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    origins = torch.randn(r, 3, generator=generator)
    origins = origins * 0.3 if inside else 6 * torch.nn.functional.normalize(origins, dim=1)
    towards = torch.randn(r, 3, generator=generator) - (0 if inside else 1) * origins
    return origins, torch.nn.functional.normalize(towards, dim=1)


def cubes(share: float, count: int = 3, side: int = 16) -> OccupancyCubes:
    occupied = torch.rand(count, side, side, side, generator=torch.Generator().manual_seed(5)) < share
    return OccupancyCubes(occupied, (0.1, -0.2, 0.3), 0.8)


def test_a_full_grid_samples_all_of_the_ray_inside():
    origins, directions = torch.tensor([[-2.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    full = OccupancyCubes(torch.ones(1, 4, 4, 4, dtype=torch.bool), (0.0, 0.0, 0.0), 1.0)
    samples = march(origins, directions, full, step=0.125, max_samples=100)
    torch.testing.assert_close(samples.t0, torch.arange(16) * 0.125 + 1)
    torch.testing.assert_close(samples.t1, samples.t0 + 0.125)
    assert samples.offsets.tolist() == [0, 16]


def test_only_occupied_cells_are_sampled():
    occupied = torch.zeros(2, 4, 4, 4, dtype=torch.bool)
    occupied[0, 3, 1, 2] = True
    occupied[1, 0, 2, 2] = True
    grid = OccupancyCubes(occupied, (0.0, 0.0, 0.0), 1.0)
    origins = torch.tensor([[-3.0, -0.25, 0.25], [-3.0, 0.25, 0.25]])
    directions = torch.tensor([[1.0, 0.0, 0.0]] * 2)
    samples = march(origins, directions, grid, step=0.1, max_samples=100)
    x = samples.mid - 3
    assert samples.offsets.tolist() == [0, 5, 15]
    assert ((x[:5] > 0.5) & (x[:5] < 1)).all()
    assert ((x[5:] > -2) & (x[5:] < -1)).all()


@pytest.mark.parametrize("cone", [0.0, 0.02])
def test_samples_lie_where_nerfacc_finds_something(cone):
    """Its own marching needs CUDA, but not its look-up of points in the cubes."""
    grid = pytest.importorskip("nerfacc.grid")
    some = cubes(0.3)
    whole = OccupancyCubes(torch.ones_like(some.occupied), some.center, some.radius)
    origins, directions = rays(200, inside=True)
    every, found = (march(origins, directions, c, step=0.03, cone=cone, max_samples=1 << 20) for c in (whole, some))
    points = origins[every.rays] + directions[every.rays] * every.mid[:, None]
    center = torch.tensor(some.center)
    occupied, _ = grid._query(points, some.occupied, torch.cat([center - some.radius, center + some.radius]))
    expected = set(zip(every.rays[occupied].tolist(), every.t0[occupied].tolist(), strict=True))
    different = expected ^ set(zip(found.rays.tolist(), found.t0.tolist(), strict=True))
    assert len(different) < 1e-3 * len(expected)  # middles on the border of a cell, to float's rounding


@pytest.mark.parametrize("cone", [0.0, 0.02])
def test_intervals_grow_with_distance(cone):
    origins, directions = torch.zeros(1, 3), torch.tensor([[0.0, 0.6, 0.8]])
    full = OccupancyCubes(torch.ones(5, 4, 4, 4, dtype=torch.bool), (0.0, 0.0, 0.0), 1.0)
    samples = march(origins, directions, full, step=0.05, cone=cone, max_samples=1000)
    width, near = samples.t1 - samples.t0, samples.t0 <= (0.05 / cone if cone > 0 else math.inf)
    torch.testing.assert_close(width[near][:-1], torch.full_like(width[near][:-1], 0.05), rtol=1e-4, atol=0)
    if cone > 0:
        torch.testing.assert_close(width[~near], samples.t0[~near] * cone, rtol=1e-3, atol=0)
    assert torch.allclose(samples.t0[1:], samples.t1[:-1])


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("cone", [0.0, 0.01])
@pytest.mark.parametrize(("count", "side"), [(3, 15), (3, 16), (3, 32), (1, 15), (1, 24)])
@pytest.mark.parametrize("share", [0.1, 0.002])  # of occupied cells: with the second most of space is passed quickly
def test_marching_finds_what_looking_everywhere_finds(isa, inside, cone, count, side, share):
    origins, directions = rays(200 if count > 1 and share > 0.01 else 3000, inside=inside)
    grid, found = cubes(share, count, side), 0
    for near, far, jitter in ((0.0, math.inf, None), (0.5, 4.0, (3, 2**40 + 7))):
        bounds = {"near": near, "far": far, "jitter": jitter, "step": 0.02, "cone": cone, "max_samples": 10**6}
        ours = march(origins, directions, grid, **bounds)
        truth = march_reference(origins.double(), directions.double(), grid, **bounds)
        # A midpoint within rounding of a cell's face may fall on either side of it.
        ours_at, truth_at = ({*zip(s.rays.tolist(), (s.t0 * 1e4).round().tolist(), strict=True)} for s in (ours, truth))
        near_misses = {(ray, t + d) for ray, t in truth_at for d in (-1, 0, 1)}
        found += len(truth)
        assert len(ours_at - near_misses) <= 1 + 2e-3 * len(truth)
        assert abs(len(ours) - len(truth)) <= 1 + 2e-3 * len(truth)
    assert found > (1000 if share > 0.01 else 20)


def test_any_number_of_threads_gives_the_same_samples(set_threads):
    origins, directions = rays(1000, inside=True)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(march(origins, directions, cubes(0.2), step=0.01, max_samples=50_000, jitter=(1, 1)))
    for other in results[1:]:
        assert torch.equal(other.t0, results[0].t0)
        assert torch.equal(other.offsets, results[0].offsets)
        assert other.complete == results[0].complete


def test_a_ray_that_is_no_number_has_no_samples():
    origins, directions = rays(5, inside=True)
    origins[1, 0], directions[3] = math.nan, 0
    samples = march(origins, directions, cubes(1.0), step=0.1, max_samples=10**5)
    assert (samples.offsets.diff() > 0).tolist() == [True, False, True, False, True]


def test_rays_beyond_the_bound_are_left_out_whole():
    origins, directions = rays(40, inside=True)
    everything = march(origins, directions, cubes(0.5), step=0.05, max_samples=10**6)
    assert everything.complete == 40
    bound = int(everything.offsets[17]) + 1
    some = march(origins, directions, cubes(0.5), step=0.05, max_samples=bound)
    assert some.complete == 17
    assert len(some) == bound - 1
    assert torch.equal(some.t0, everything.t0[: bound - 1])
    assert some.offsets[17:].unique().tolist() == [bound - 1]


def test_jitter_moves_each_ray_by_its_own_part_of_a_step():
    origins, directions = torch.zeros(500, 3), torch.tensor([[1.0, 0.0, 0.0]]).expand(500, 3)
    full = OccupancyCubes(torch.ones(1, 4, 4, 4, dtype=torch.bool), (0.0, 0.0, 0.0), 1.0)
    first = {}
    for key in ((1, 1), (1, 2), (2, 1)):
        samples = march(origins, directions, full, step=0.1, max_samples=10**5, jitter=key)
        first[key] = samples.t0[samples.offsets[:-1]] / 0.1
    assert not torch.equal(first[1, 1], first[1, 2])
    assert not torch.equal(first[1, 1], first[2, 1])
    for shift in first.values():
        assert 0 <= shift.min() < 0.02
        assert 0.98 < shift.max() <= 1
        assert abs(shift.mean() - 0.5) < 0.06  # 500 uniform numbers: a standard error of 0.013


@pytest.mark.parametrize("r", [0, 1, 100])
def test_no_rays_or_an_empty_grid_give_no_samples(r):
    origins, directions = rays(r)
    samples = march(origins, directions, cubes(0.0), step=0.1, max_samples=1000)
    assert len(samples) == 0
    assert samples.offsets.tolist() == [0] * (r + 1)


def test_padding_puts_each_ray_into_its_row():
    origins, directions = rays(10, inside=True)
    samples = march_reference(origins, directions, cubes(0.3), step=0.1, max_samples=1000)
    rows = samples.padded(samples.t0)
    for ray, (start, end) in enumerate(zip(samples.offsets[:-1], samples.offsets[1:], strict=True)):
        assert torch.equal(rows[ray, : end - start], samples.t0[start:end])
        assert (rows[ray, end - start :] == 0).all()
