"""Adam for tables: moves what was touched, leaves the rest, and forgets the gradient."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.ops.sparse_adam import sparse_adam_step, sparse_adam_step_reference


def state(e: int) -> list[Tensor]:
    """Tables, gradient (two thirds of it zero), and both moments."""
    generator = torch.Generator().manual_seed(e)
    tables, grad, first, second = (torch.randn(e, 2, generator=generator) for _ in range(4))
    return [tables, grad * (torch.rand(e, 2, generator=generator) < 1 / 3), first, second.abs()]


@pytest.mark.parametrize("e", [0, 1, 8, 1003])
def test_a_step_matches_the_reference_in_double(isa, e):
    ours = state(e)
    truth = [value.double() for value in ours]
    for step in (1, 2, 30):
        grad = state(e)[1]
        ours[1].copy_(grad)
        truth[1].copy_(grad)
        sparse_adam_step(*ours, learning_rate=0.01, step=step)
        sparse_adam_step_reference(*truth, learning_rate=0.01, step=step)
    for value, expected in zip(ours, truth, strict=True):
        torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=1e-6)


def test_untouched_entries_keep_their_bits(isa):
    tables, grad, first, second = state(1003)
    before, touched = [value.clone() for value in (tables, first, second)], grad != 0
    sparse_adam_step(tables, grad, first, second, learning_rate=0.01, step=5)
    for value, old in zip((tables, first, second), before, strict=True):
        assert torch.equal(value[~touched], old[~touched])
        assert not torch.isclose(value[touched], old[touched], rtol=1e-7, atol=0).all()
    assert torch.equal(grad, torch.zeros_like(grad))


def test_a_gradient_that_is_no_number_shows(isa):
    tables, grad, first, second = state(40)
    grad[17, 1] = float("nan")
    sparse_adam_step(tables, grad, first, second, learning_rate=0.01, step=1)
    assert tables.isnan().nonzero().tolist() == [[17, 1]]
