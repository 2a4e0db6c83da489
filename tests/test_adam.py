"""Adam on blocks: the same numbers as in double precision, and nothing for what was not seen."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.ops.adam import Moments, adam_step, adam_step_reference
from recon.ops.native import native


def random_blocks(count: int, planes: int = 23, seed: int = 0) -> Tensor:
    return torch.randn(count, planes, 16, generator=torch.Generator().manual_seed(seed))


def rates(planes: int = 23) -> Tensor:
    return torch.logspace(-5, -2, planes)


@pytest.mark.parametrize("count", [0, 5])
def test_a_hundred_steps_match_the_reference_in_double(isa, count):
    blocks, start = random_blocks(count), random_blocks(count)
    moments = Moments.zeros_like(blocks)
    truth, true_moments = blocks.double(), Moments.zeros_like(blocks.double())
    generator = torch.Generator().manual_seed(1)
    for step in range(1, 101):
        grads = torch.randn(blocks.shape, generator=generator) * 10.0 ** torch.randint(-6, 1, (), generator=generator)
        seen = torch.rand(count * 16, generator=generator) < 0.6
        adam_step(blocks, grads, moments, learning_rates=rates(), step=step, seen=seen)
        adam_step_reference(truth, grads.double(), true_moments, learning_rates=rates().double(), step=step, seen=seen)
    # Relative to how far the parameters went: each of 100 additions rounds to 2^-24 of a parameter of size 1.
    assert (blocks - truth).norm() <= 1e-6 * truth.norm()
    assert (moments.first - true_moments.first).norm() <= 1e-6 * true_moments.first.norm()
    assert (moments.second - true_moments.second).norm() <= 1e-6 * true_moments.second.norm()
    assert count == 0 or (blocks - start).abs().max() > 1e-3


def test_it_is_torch_adam_when_everything_is_seen():
    blocks = random_blocks(3)
    leaf = blocks.double().requires_grad_()
    optimizer = torch.optim.Adam([leaf], lr=1e-3, betas=(0.9, 0.999), eps=1e-15)
    moments = Moments.zeros_like(blocks)
    for step in range(1, 11):
        grads = random_blocks(3, seed=step)
        leaf.grad = grads.double()
        optimizer.step()
        adam_step(blocks, grads, moments, learning_rates=torch.full((23,), 1e-3), step=step)
    assert (blocks - leaf.detach()).abs().max() < 1e-6


def test_unseen_gaussians_keep_parameters_and_moments(isa):
    blocks, grads = random_blocks(4), random_blocks(4, seed=1)
    moments = Moments(random_blocks(4, seed=2), random_blocks(4, seed=3).abs())
    before = [value.clone() for value in (blocks, moments.first, moments.second)]
    seen = torch.zeros(64, dtype=torch.bool)
    seen[torch.tensor([0, 7, 8, 15, 50])] = True  # blocks 0 and 3 in part, 1 and 2 not at all
    adam_step(blocks, grads, moments, learning_rates=rates(), step=5, seen=seen)
    for now, then in zip((blocks, moments.first, moments.second), before, strict=True):
        changed = (now != then).any(dim=1).flatten()
        assert torch.equal(changed, seen)


def test_gradients_of_nothing_move_nothing():
    blocks = random_blocks(2)
    start, moments = blocks.clone(), Moments.zeros_like(blocks)
    adam_step(blocks, torch.zeros_like(blocks), moments, learning_rates=rates(), step=1)
    assert torch.equal(blocks, start)


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        blocks = random_blocks(37)
        moments = Moments.zeros_like(blocks)
        adam_step(blocks, random_blocks(37, seed=1), moments, learning_rates=rates(), step=3)
        results.append(torch.stack([blocks, moments.first, moments.second]))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_a_block_of_another_shape_is_refused():
    blocks = random_blocks(2)
    with pytest.raises(ValueError, match="learning rate"):
        native().adam_step(blocks, blocks, blocks, blocks, torch.ones(5), None, 1, 0.9, 0.999, 1e-15, 1)
