"""Numbers in files are as coarse as what is seen of them allows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from splat_files import likely_gaussians, matched

from recon.io.splats.asset import SplatAsset
from recon.io.splats.formats import read_splats, write_splats
from recon.io.splats.rounding import leeway, steps, to_steps
from recon.types import Gaussians


def written_and_read(gaussians: Gaussians, weights: torch.Tensor, folder: Path) -> tuple[Gaussians, int]:
    """In the order given, and the file's bytes."""
    path = folder / "a.spz"
    write_splats(SplatAsset(gaussians, "colmap", (0.0, -1.0, 0.0), weights=weights), path)
    return matched(read_splats(path).in_frame("colmap").gaussians, gaussians), path.stat().st_size


def test_rounding_costs_the_views_the_same_wherever_it_is(tmp_path: Path) -> None:
    gaussians = likely_gaussians(3000)
    gaussians = replace(gaussians, sh=gaussians.sh.clamp(-0.9, 0.9))
    weights = 10.0 ** torch.linspace(-1.0, 1.5, 3000)
    read, _ = written_and_read(gaussians, weights, tmp_path)
    square = (read.sh - gaussians.sh)[:, 1:].square().mean(dim=(1, 2))
    costs = torch.stack([part.mean() for part in (square * weights).split(500)])
    assert float(costs.max() / costs.min()) < 2.5  # steps are powers of two: each is off by up to a root of two


def test_what_nobody_sees_takes_fewer_bytes(tmp_path: Path) -> None:
    gaussians = likely_gaussians(2000)
    gaussians = replace(gaussians, log_scales=gaussians.log_scales - 3)  # small ones stay where they can be told apart
    seen = torch.arange(2000) % 2 == 0
    _, every = written_and_read(gaussians, torch.ones(2000), tmp_path)
    read, half = written_and_read(gaussians, seen.float(), tmp_path)
    assert half < 0.87 * every  # places and turns stay nearly as they are, and are noise here
    assert float((read.sh - gaussians.sh)[seen].abs().max()) < 0.07  # half a step of colour, as where all are seen
    assert float((read.opacity_logits.sigmoid() - gaussians.opacity_logits.sigmoid()).abs().max()) < 9 / 255


def test_faint_splats_stay_visible(tmp_path: Path) -> None:
    gaussians = likely_gaussians(500)
    gaussians = replace(gaussians, opacity_logits=torch.linspace(-5.5, -3.5, 500))
    read, _ = written_and_read(gaussians, torch.rand(500, generator=torch.Generator().manual_seed(1)), tmp_path)
    assert float(read.opacity_logits.sigmoid().min()) > 0.5 / 255


def test_steps_are_the_nearest_powers_of_two() -> None:
    wanted = steps(np.array([[0.1], [1.0], [1.3], [3.0], [9.0], [1e9]]), most=64)
    assert wanted[:, 0].tolist() == [1, 1, 1, 4, 8, 64]
    np.testing.assert_array_equal(to_steps(np.full((6, 1), 5.1), wanted)[:, 0], [5, 5, 5, 4, 8, 0])


def test_weights_of_any_scale_and_of_nothing_have_a_leeway() -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
    asset = SplatAsset(likely_gaussians(5), weights=weights)
    np.testing.assert_allclose(leeway(replace(asset, weights=1e6 * weights)), leeway(asset), rtol=1e-6)
    assert np.isfinite(leeway(replace(asset, weights=torch.zeros(5)))).all()
    assert np.isfinite(leeway(replace(asset, weights=None))).all()
    assert len(leeway(SplatAsset(likely_gaussians(0)))) == 0
