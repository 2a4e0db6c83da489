"""What matters in splats, and how few kinds of colour are shared out by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch
from splat_files import likely_gaussians, matched, written_asset

from recon.io.splats.asset import SplatAsset
from recon.io.splats.formats import read_splats, write_splats
from recon.io.splats.guess import guessed_weights
from recon.io.splats.sog import SogLevels, write_sog


def test_what_is_left_out_first_is_small_and_faint() -> None:
    gaussians = likely_gaussians(50)
    gaussians.opacity_logits[7] = -9.0
    gaussians.log_scales[9] = -12.0
    assert set(guessed_weights(gaussians).argsort()[:2].tolist()) == {7, 9}


def test_few_kinds_of_view_dependent_colour_survive_a_palette(tmp_path: Path) -> None:
    written = written_asset(600)
    kinds = written.gaussians.sh[:9, 1:].clamp(-0.9, 0.9)
    sh = torch.cat([written.gaussians.sh[:, :1], kinds[torch.arange(600) % 9]], dim=1)
    asset = replace(written, gaussians=replace(written.gaussians, sh=sh))
    write_splats(asset, tmp_path / "scene.sog")
    read = matched(read_splats(tmp_path / "scene.sog").gaussians, asset.gaussians)
    assert float((read.sh[:, 1:] - sh[:, 1:]).abs().max()) < 0.1  # 64 values stand for 405


def test_colours_that_are_seen_get_more_of_a_palette(tmp_path: Path) -> None:
    gaussians = likely_gaussians(3000, degree=2)
    seen = torch.arange(3000) % 10 == 0
    errors = []
    for weights in (torch.ones(3000), seen + 1e-3):
        asset = SplatAsset(gaussians, "colmap", (0.0, -1.0, 0.0), weights=weights.float())
        write_sog(asset, tmp_path / "a.sog", SogLevels(position=0.01))
        read = matched(read_splats(tmp_path / "a.sog").gaussians, gaussians)
        errors.append(float((read.sh[seen, 1:] - gaussians.sh[seen, 1:]).square().mean()))
    assert errors[1] < 0.6 * errors[0], "300 of them have nearly all of the 187 entries for themselves"
