"""MCMC's noise and relocation: repeatable, with the right statistics, and against the formulas in double."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recon.ops.blocks import blocks_from_rows, invisible_row, rows
from recon.ops.mcmc import (
    add_noise,
    add_noise_reference,
    philox,
    relocate,
    relocate_reference,
    standard_normals,
)


def gaussian_rows(count: int, *, opacity_logit: float = -7.0, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    together = torch.randn(count, 14, generator=generator)
    together[:, 3:6] -= 1
    together[:, 10] = opacity_logit
    return together


def packed(together: Tensor) -> Tensor:
    return blocks_from_rows(together, padding=invisible_row(together.shape[1]))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        (0, 0, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        (0xFFFFFFFF, 0xFFFFFFFF, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    ],
)
def test_philox_gives_the_published_words(counter, key, expected):
    # Known answers of Random123, the authors' library.
    words = philox(torch.full((4, 1), counter, dtype=torch.int64), (key, key))
    assert tuple(words[:, 0].tolist()) == expected


@pytest.mark.parametrize("count", [0, 1, 100])
@pytest.mark.parametrize(("seed", "step"), [(0, 0), (3, 17), (2**40 + 5, 2**33 + 1)])
def test_noise_matches_its_reference_in_double(isa, count, seed, step):
    blocks = packed(gaussian_rows(count))
    blocks[:, 10] += torch.linspace(0, 3, 16)
    start, truth = blocks.clone(), blocks.double()
    add_noise(blocks, scale=0.5, seed=seed, step=step)
    add_noise_reference(truth, scale=0.5, seed=seed, step=step)
    moved, expected = (blocks - start).double(), truth - start.double()
    assert torch.equal(moved[:, 3:], torch.zeros_like(moved[:, 3:]))
    # 2^-24 of the position is lost when the noise is added to it, hence the absolute part.
    assert (moved - expected).norm() <= 2e-5 * expected.norm() + 1e-6 * math.sqrt(max(count, 1))
    assert count == 0 or expected.norm() > 1e-3


def test_noise_has_the_covariance_of_the_gaussian_twice_over():
    # Noise is the covariance times a standard normal, so its own covariance is the square of the Gaussian's.
    count = 20_000
    together = gaussian_rows(1).expand(count, -1).clone()
    together[:, :3] = 0
    blocks = packed(together)
    add_noise(blocks, scale=1.0, seed=1, step=1)
    moved = rows(blocks, count)[:, :3].double()
    w, x, y, z = torch.nn.functional.normalize(together[0, 6:10].double(), dim=0).tolist()
    rotation = torch.tensor(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ],
        dtype=torch.float64,
    )
    covariance = rotation @ torch.diag((2 * together[0, 3:6].double()).exp()) @ rotation.T
    strength = torch.sigmoid(-100 * (torch.sigmoid(together[0, 10].double()) - 0.005))
    expected = strength**2 * covariance @ covariance
    measured = moved.T @ moved / count
    assert (measured - expected).norm() < 0.03 * expected.norm()  # 20 000 samples: a standard error near 1 %
    assert (moved.mean(dim=0).abs() < 4 * (expected.diagonal() / count).sqrt()).all()


def test_normals_are_normal_and_independent():
    normals = standard_normals(50_000, seed=4, step=9)
    assert normals.mean(dim=0).abs().max() < 4 / math.sqrt(50_000)
    assert (torch.cov(normals.T) - torch.eye(3)).abs().max() < 0.03
    assert abs((normals**4).mean().item() - 3) < 0.1
    inside = (normals.abs() < 1).double().mean().item()
    assert abs(inside - math.erf(1 / math.sqrt(2))) < 0.005


def test_another_step_or_seed_gives_other_noise():
    results = []
    for seed, step in ((0, 1), (0, 2), (1, 1)):
        blocks = packed(gaussian_rows(10))
        add_noise(blocks, scale=1.0, seed=seed, step=step)
        results.append(blocks)
    assert not torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


def test_noise_of_a_gaussian_depends_on_its_index_not_on_its_company():
    many, few = packed(gaussian_rows(40)), packed(gaussian_rows(40)[:20])
    add_noise(many, scale=1.0, seed=0, step=1)
    add_noise(few, scale=1.0, seed=0, step=1)
    assert torch.equal(rows(many, 20), rows(few, 20))


def test_opaque_gaussians_and_padding_stay():
    together = gaussian_rows(5, opacity_logit=2.0)
    blocks = packed(together)
    start = blocks.clone()
    add_noise(blocks, scale=1.0, seed=0, step=1)
    assert torch.equal(blocks, start)


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        blocks = packed(gaussian_rows(1000))
        add_noise(blocks, scale=1.0, seed=0, step=1)
        results.append(blocks)
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_relocation_matches_equation_9_in_double(isa):
    generator = torch.Generator().manual_seed(0)
    copies = torch.arange(1, 52).repeat(4)
    opacities = torch.rand(len(copies), generator=generator) * 0.994 + 0.005
    scales = torch.rand(len(copies), 3, generator=generator)
    ours, truth = relocate(opacities, scales, copies), relocate_reference(opacities, scales, copies)
    torch.testing.assert_close(ours.opacities.double(), truth.opacities, rtol=2e-7, atol=0)
    torch.testing.assert_close(ours.scales.double(), truth.scales, rtol=1e-6, atol=0)


def test_one_copy_is_the_original():
    opacities, scales = torch.tensor([0.01, 0.5, 0.99]), torch.rand(3, 3)
    same = relocate(opacities, scales, torch.ones(3, dtype=torch.int64))
    torch.testing.assert_close(same.opacities, opacities)
    torch.testing.assert_close(same.scales, scales)


def test_copies_together_are_as_opaque_as_the_one_they_replace():
    opacities = torch.tensor([0.1, 0.6, 0.95])
    for copies in (2, 7, 51):
        shared = relocate(opacities, torch.ones(3, 3), torch.full((3,), copies)).opacities
        torch.testing.assert_close(1 - (1 - shared) ** copies, opacities, rtol=1e-5, atol=0)


def test_a_fully_opaque_gaussian_can_be_relocated():
    shared = relocate(torch.ones(1), torch.ones(1, 3), torch.tensor([5]))
    assert torch.isfinite(shared.scales).all()
    assert 0 < shared.opacities.item() < 1
