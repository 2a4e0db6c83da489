"""Arrays that operators write are written where they are, or refused: never a copy that is then lost."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.ops.native import native


def adam(blocks: Tensor, grads: Tensor | None = None) -> None:
    """One step, at the rate 1, of two planes of 16 numbers."""
    moments = torch.zeros(2, 1, 2, 16)
    grads = torch.ones(1, 2, 16) if grads is None else grads
    native().adam_step(blocks, *moments, grads, torch.ones(2), None, 1, 0.9, 0.999, 1e-15, threads=1)


def test_an_array_to_write_is_written_in_place() -> None:
    blocks = torch.zeros(1, 2, 16)
    adam(blocks)
    assert torch.allclose(blocks, torch.full((1, 2, 16), -1.0))


@pytest.mark.parametrize(
    "blocks",
    [
        torch.zeros(1, 2, 16, dtype=torch.float64),
        torch.zeros(1, 16, 2).transpose(1, 2),
        torch.zeros(1, 2, 32)[..., ::2],
    ],
    ids=["of another type", "in another order", "with gaps"],
)
def test_an_array_that_would_have_to_be_copied_is_not_written(blocks: Tensor) -> None:
    with pytest.raises(TypeError, match="incompatible"):
        adam(blocks)
    assert not blocks.any()


def test_an_array_that_is_only_read_may_be_of_another_type() -> None:
    blocks = torch.zeros(1, 2, 16)
    adam(blocks, torch.ones(1, 2, 16, dtype=torch.float64))
    assert torch.allclose(blocks, torch.full((1, 2, 16), -1.0))
