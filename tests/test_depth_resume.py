"""A run that learns from stereo: kept, gone on with, and stopped while photos are matched."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import SMALL, Said, result
from room import Room

from recon.cli.main import main
from recon.io.checkpoint import load_checkpoint
from recon.io.colmap import write_colmap
from recon.io.posed import find_posed
from recon.priors.depth.stereo import StereoDepth, prior


@pytest.fixture(scope="module")
def options(room: Room, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Of a training with stereo on six photos that have points."""
    folder = tmp_path_factory.mktemp("stereo")
    photos = room.write_posed_photos(folder / "room")
    posed = find_posed(photos)
    assert posed is not None
    write_colmap(replace(posed.read(), points=room.points), folder / "model")
    return ("--images", str(photos), "--colmap", str(folder / "model"), "--depth", "stereo", *SMALL)


@pytest.fixture(scope="module")
def whole(options: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "--output", str(run), *options]) == 0
    return run


def test_stereo_guides_a_run(whole: Path) -> None:
    first = json.loads((whole / "metrics.jsonl").read_text().splitlines()[0])
    assert first["losses"]["depth"] > 0
    assert first["losses"]["normal"] > 0
    assert len(list((whole / "depth").glob("*.safetensors"))) == 4  # of six photos two are held out


def test_a_stopped_run_goes_on_with_the_same_depth(
    options: tuple[str, ...], whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.cli import training

    run, show = tmp_path / "run", training._show_progress

    def stop_at_seven(*given) -> None:
        show(*given)
        if given[1].step == 7:
            os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(training, "_show_progress", stop_at_seven)
        assert main(["train", "--output", str(run), *options]) == 130
    assert int(load_checkpoint(run / "checkpoint")["step"]) == 7
    with monkeypatch.context() as patch:
        patch.setattr(StereoDepth, "predict", _never)
        assert main(["train", "--resume", str(run), "--no-viewer", "--quiet"]) == 0
    found, expected = load_checkpoint(run / "checkpoint"), load_checkpoint(whole / "checkpoint")
    assert [name for name in expected if name != "elapsed" and not torch.equal(found[name], expected[name])] == []


def test_damaged_depth_is_made_again(options: tuple[str, ...], whole: Path, tmp_path: Path, capsys: Said) -> None:
    run = tmp_path / "run"
    result(capsys, "train", "--output", run, *options)
    kept = sorted((run / "depth").glob("*.safetensors"))
    kept[0].write_bytes(b"nothing")
    result(capsys, "train", "--output", run, "--overwrite", *options)
    assert kept[0].read_bytes() == (whole / "depth" / kept[0].name).read_bytes()


def test_ctrl_c_while_photos_are_matched_leaves_no_half_depth(
    options: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    run, refined = tmp_path / "run", prior.refined

    def stop(*given, **named):
        os.kill(os.getpid(), signal.SIGINT)
        return refined(*given, **named)

    with monkeypatch.context() as patch:
        patch.setattr(prior, "refined", stop)
        assert main(["train", "--output", str(run), *options]) == 130
    said = capsys.readouterr().err
    assert f"Nothing was trained yet. Go on with recon train --resume {run}" in said
    assert "Traceback" not in said
    assert not (run / "depth").exists()
    assert main(["train", "--resume", str(run), "--no-viewer", "--quiet"]) == 0
    assert len(list((run / "depth").glob("*.safetensors"))) == 4


def _never(*_: object) -> None:
    raise AssertionError("photos were matched again")
