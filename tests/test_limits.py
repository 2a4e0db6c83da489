"""Options that make no sense are refused before anything is made, in a sentence that names them."""

from __future__ import annotations

from pathlib import Path

import pytest

from recon.cli.main import main
from recon.datasets import demo_capture


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--steps", "0"], "--steps"),
        (["--hold-out", "1"], "--hold-out"),
        (["--hold-out", "-3"], "--hold-out"),
        (["--image-size", "0"], "--image-size"),
        (["--seed", "-1"], "--seed"),
        (["--poses.max-features", "0"], "--poses.max-features"),
        (["gaussians", "--sh-degree", "4"], "--sh-degree"),
        (["gaussians", "--sh-degree", "-1"], "--sh-degree"),
        (["gaussians", "--max-gaussians", "0"], "--max-gaussians"),
        (["gaussians", "--initial-opacity", "2"], "--initial-opacity"),
        (["gaussians", "--initial-scale", "0"], "--initial-scale"),
        (["gaussians", "--rates.position", "-1"], "--rates.position"),
        (["--seed", str(2**63)], "--seed"),
        (["--steps", str(2**70)], "--steps"),
        (["--port", "65536"], "--port"),
        (["--poses.seed", str(2**31)], "--poses.seed"),
        (["gaussians", "mcmc", "--refinements", "-1"], "--refinements"),
        (["gaussians", "mcmc", "--noise", "nan"], "--noise"),
        (["gaussians", "adaptive-density", "--stop", "2"], "--stop"),
        (["gaussians", "--surface", "adaptive-density"], "--surface"),
    ],
)
def test_an_impossible_option_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], named: str
) -> None:
    output = tmp_path / "run"
    code = main(["train", "--images", str(demo_capture()), "--output", str(output), "--no-viewer", *options])
    said = capsys.readouterr().err
    assert code == 2
    assert named in said
    assert "Traceback" not in said
    assert not output.exists()
