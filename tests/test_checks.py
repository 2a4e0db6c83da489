"""Every operator beside its reference in double precision, on each device: what `recon bench --checks` looks at."""

from __future__ import annotations

import pytest
import torch

from recon.bench.check_fields import field_checks
from recon.bench.check_gaussians import gaussian_checks
from recon.bench.checks import Check, check_rows


@pytest.mark.parametrize(
    "check", [*gaussian_checks(), *field_checks()], ids=lambda check: f"{check.operator}, {check.input}"
)
def test_an_operator_is_as_near_to_its_reference_as_its_precision_allows(check: Check, device: torch.device) -> None:
    rows = list(check_rows([check], device))
    assert len(rows) > 0
    assert [f"{row.quantity}: {row.error} > {row.tolerance} {row.note}" for row in rows if not row.passed] == []
    assert device.type == "cpu" or all(row.error is not None for row in rows)  # nothing is left out on a GPU
