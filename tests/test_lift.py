"""Lifting features onto Gaussians against brute force in double precision."""

from __future__ import annotations

import pytest
import torch
from test_splat import camera, gaussians, relative
from torch import Tensor

from recon.ops.blocks import pack
from recon.ops.lift import lift, lift_reference
from recon.ops.splat import splat_forward
from recon.types import Cameras, Gaussians


def lifted(g: Gaussians, view: Cameras, features: Tensor) -> tuple[Tensor, Tensor]:
    frame = splat_forward(pack(g), view, sh_degree=0, antialiased=g.antialiased)
    sums, weights = torch.zeros(len(g), features.shape[2]), torch.zeros(len(g))
    lift(frame, features, sums=sums, weights=weights)
    return sums, weights


def features(rows: int, columns: int, channels: int) -> Tensor:
    return torch.randn(rows, columns, channels, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize(
    ("width", "height", "rows", "columns"),
    [(45, 35, 3, 4), (48, 32, 8, 12), (64, 48, 2, 1), (17, 33, 1, 1), (45, 35, 8, 11)],
)
def test_lifted_features_match_brute_force(isa, width, height, rows, columns):
    g, view, seen = gaussians(120, degree=0), camera(width, height), features(rows, columns, 3)
    sums, weights = lifted(g, view, seen)
    expected, light = lift_reference(pack(g).double(), view, seen.double())
    assert relative(sums, expected[: len(g)]) < 1e-5
    assert relative(weights, light[: len(g)]) < 1e-5


@pytest.mark.parametrize("channels", [1, 31, 70, 130])
def test_any_number_of_channels_is_lifted(isa, channels):
    g, view, seen = gaussians(60, degree=0, size=0.1), camera(), features(5, 6, channels)
    sums, _ = lifted(g, view, seen)
    for channel in (0, channels // 2, channels - 1):
        alone, _ = lifted(g, view, seen[..., channel : channel + 1].contiguous())
        torch.testing.assert_close(sums[:, channel], alone[:, 0], rtol=1e-5, atol=1e-6)  # order of adding


def test_what_fills_the_view_and_what_is_stacked_deep_is_lifted(isa):
    g = gaussians(150, degree=0, size=0.5)
    sums, weights = lifted(g, camera(), features(4, 5, 2))
    expected, light = lift_reference(pack(g).double(), camera(), features(4, 5, 2).double())
    assert relative(sums, expected[: len(g)]) < 1e-5
    assert relative(weights, light[: len(g)]) < 1e-5


def test_views_add_up():
    g, seen = gaussians(80, degree=0), features(4, 5, 3)
    frame = splat_forward(pack(g), camera(), sh_degree=0)
    sums, weights = torch.zeros(80, 3), torch.zeros(80)
    for _ in range(2):
        lift(frame, seen, sums=sums, weights=weights)
    once, light = lifted(g, camera(), seen)
    torch.testing.assert_close(sums, 2 * once)
    torch.testing.assert_close(weights, 2 * light)


def test_the_number_of_threads_changes_no_bit_of_lifted_features(set_threads):
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        results.append(lifted(gaussians(2000, degree=0, size=0.02), camera(130, 90), features(8, 12, 20)))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_a_map_too_fine_for_the_view_says_what_it_needs():
    with pytest.raises(ValueError, match="at least 80x80 pixels, not 61x47"):
        lifted(gaussians(10, degree=0), camera(), features(20, 20, 1))


def test_features_with_a_gradient_are_refused():
    with pytest.raises(ValueError, match="no gradient"):
        lifted(gaussians(10, degree=0), camera(), features(2, 2, 1).requires_grad_())
