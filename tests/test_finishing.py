"""What `recon train` does after the last step, and how much of it when the time is over."""

from __future__ import annotations

import math
import time
from pathlib import Path

import pytest
from command_line import Said
from small_fields import SMALL

from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.cli.finishing import _warn_of_fog, finish
from recon.cli.preparing import Prepared
from recon.io.posed import find_posed
from recon.io.run import Run
from recon.io.scene import load_scene
from recon.models import build_model
from recon.training import TrainConfig, TrainState
from recon.types import Metrics


@pytest.mark.parametrize(
    ("deadline", "measured"),
    [(Deadline(0.0, None), 3), (Deadline(time.monotonic(), 3600.0), 3), (Deadline(time.monotonic(), 1e-3), 1)],
    ids=["without a budget", "in time", "too late"],
)
def test_photos_are_measured_while_there_is_time_and_one_at_least(
    photos_with_poses: Path,
    tmp_path: Path,
    capsys: Said,
    monkeypatch: pytest.MonkeyPatch,
    deadline: Deadline,
    measured: int,
) -> None:
    found = find_posed(photos_with_poses)
    assert found is not None
    posed = found.read()
    scene = load_scene(posed, image_size=64, hold_out=2)
    state = TrainState.start(build_model(SMALL, scene, steps=1), scene)
    drawn, draw = [], state.model.render
    monkeypatch.setattr(state.model, "render", lambda *arguments: drawn.append(arguments) or draw(*arguments))
    run, console = Run.create(tmp_path / "run"), Console()
    with run.locked():
        run.begin({})
        metrics = finish(run, Prepared(posed, 6, scene, TrainConfig(steps=1)), state, console, deadline=deadline)
    assert len(scene.test) == 3
    assert len(metrics.views) == len(drawn) == measured  # the report shows what was measured
    assert run.report.read_text().count("data:image/") >= 2 * measured
    said = capsys.readouterr().err
    assert ("of 3, for which the budget was enough" in said) == (measured < 3)
    assert "hardly better than one flat colour" in said  # nothing was trained
    assert run.report.exists()


@pytest.mark.parametrize(("psnr", "warned"), [(13.4, True), (15.1, False), (math.nan, False)])
def test_a_picture_of_nothing_is_called_so(capsys: Said, psnr: float, warned: bool) -> None:
    _warn_of_fog(Metrics(psnr, 0.5, (), 0.1), 12.0, Console())
    assert ("hardly better than one flat colour" in capsys.readouterr().err) == warned
