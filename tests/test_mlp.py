"""The small network, forward and backward, against plain torch in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.ops.mlp import bf16_runs_natively, initial_weights, mlp, mlp_reference

SHAPES = [(32, 16), (32, 64, 16), (3, 16, 1), (31, 64, 64, 3), (128, 128, 128, 128, 128, 5), (7, 48, 112, 13)]
"""Widths, inputs first."""


def network(widths: tuple[int, ...]) -> list[Tensor]:
    return [w.requires_grad_() for w in initial_weights(widths, torch.Generator().manual_seed(1))]


def numbers(n: int, k: int, seed: int = 0) -> Tensor:
    return torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def relative_error(value: Tensor | None, truth: Tensor | None) -> float:
    assert value is not None
    assert truth is not None
    return float((value.detach().double() - truth.detach()).norm() / truth.detach().norm().clamp(min=1e-12))


def errors(widths: tuple[int, ...], n: int, precision: str) -> list[float]:
    """Of the outputs, the inputs' gradient, and each weight's, for a random cotangent."""
    weights, x, cotangent = network(widths), numbers(n, widths[0]).requires_grad_(), numbers(n, widths[-1], 2)
    truths, x_truth = [w.detach().double().requires_grad_() for w in weights], x.detach().double().requires_grad_()
    out = mlp(x, weights, precision=precision)  # pyright: ignore[reportArgumentType]
    expected = mlp_reference(x_truth, truths)
    out.backward(cotangent)
    expected.backward(cotangent.double())
    pairs = zip([x, *weights], [x_truth, *truths], strict=True)
    return [relative_error(out, expected), *(relative_error(a.grad, b.grad) for a, b in pairs)]


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("n", [1, 192, 500])
def test_outputs_and_gradients_match_the_reference_in_double(isa, widths, n):
    assert max(errors(widths, n, "fp32")) < 2e-6


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("n", [1, 192, 500])
def test_bf16_is_near_double(widths, n):
    if not bf16_runs_natively():
        pytest.skip("this processor does not multiply bf16 matrices")
    # On the way there factors have 16 bits: outputs are within 2^-15 of theirs, and few ReLUs switch. On the way back
    # they have 8: a relative error near 2^-9 for each factor, layer after layer.
    of_outputs, *of_gradients = errors(widths, n, "bf16")
    assert of_outputs < 1e-4
    assert max(of_gradients) < 1e-2
    assert max(of_gradients) > 1e-4  # it was not computed in float32


def test_no_samples_have_no_outputs_and_no_gradient():
    weights = network((32, 64, 16))
    out = mlp(torch.zeros(0, 32), weights)
    out.sum().backward()
    assert out.shape == (0, 16)
    assert all(w.grad is not None and (w.grad == 0).all() for w in weights)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_any_number_of_threads_gives_the_same_bits(set_threads, precision):
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        weights, x = network((32, 64, 16)), numbers(30_000, 32).requires_grad_()
        mlp(x, weights, precision=precision).backward(numbers(30_000, 16, 2))
        results.append([x.grad, *(w.grad for w in weights)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_weights_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="128"):
        mlp(torch.zeros(4, 200), initial_weights((200, 16)))
