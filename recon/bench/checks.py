"""Every operator beside its reference: on the device in float32, and in double precision with random cotangents.

Inputs are small, for references look at everything. An error is relative (L2) where nothing else is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon.bench.availability import why_absent
from recon.bench.results import CheckRow

__all__ = ["Check", "Compared", "check_rows", "largest", "relative", "with_gradients"]


@dataclass(frozen=True)
class Compared:
    """One quantity of an operator and how far it may be off."""

    quantity: str
    error: float
    tolerance: float


@dataclass(frozen=True)
class Check:
    """An operator on one input."""

    operator: str
    input: str
    compare: Callable[[torch.device], Sequence[Compared]]


def check_rows(checks: Sequence[Check], device: torch.device) -> Iterator[CheckRow]:
    """Each check's quantities, as soon as they are known."""
    for check in checks:
        found: list[Compared] = []
        absent = why_absent(lambda check=check, found=found: found.extend(check.compare(device)))
        if absent is not None:
            yield CheckRow(check.operator, check.input, "", None, 0.0, True, f"not available: {absent}")
        for one in found:
            passed = one.error <= one.tolerance  # false for what is not a number
            yield CheckRow(check.operator, check.input, one.quantity, one.error, one.tolerance, passed)


def relative(mine: Tensor, reference: Tensor) -> float:
    """L2 of the difference over that of the reference; of the difference alone where the reference is zero."""
    mine, reference = mine.detach().cpu().double(), reference.detach().double()
    size = float(reference.norm())
    return float((mine - reference).norm()) / (size if size > 0 else 1.0)


def largest(mine: Tensor, reference: Tensor) -> float:
    """The largest difference of any two elements."""
    if mine.numel() == 0:
        return 0.0
    return float((mine.detach().cpu().double() - reference.detach().double()).abs().max())


def with_gradients(
    run: Callable[..., Sequence[Tensor]], leaves: Sequence[Tensor], *, seed: int = 0
) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs, and the gradients of `leaves` under a cotangent that is the same for every dtype and device."""
    generator = torch.Generator().manual_seed(seed)
    fresh = [leaf.detach().clone().requires_grad_() for leaf in leaves]
    outputs = list(run(*fresh))
    loss = torch.zeros((), dtype=fresh[0].dtype, device=fresh[0].device)
    for output in outputs:
        cotangent = torch.randn(output.shape, generator=generator, dtype=torch.float64)
        loss = loss + (output * cotangent.to(output)).sum()
    grads = torch.autograd.grad(loss, fresh, allow_unused=True) if loss.requires_grad else [None] * len(fresh)
    filled = [torch.zeros_like(leaf) if grad is None else grad for leaf, grad in zip(fresh, grads, strict=True)]
    return [output.detach() for output in outputs], filled
