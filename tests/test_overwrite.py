"""A run that exists is not lost to a command that cannot replace it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recon.cli.main import main
from recon.datasets import demo_capture
from recon.io.checkpoint import save_checkpoint
from recon.io.run import Run


def trained(folder: Path) -> Run:
    """A folder that looks like a finished run."""
    run = Run.create(folder)
    run.write_config({"recon": {"version": "0"}, "options": {"images": "elsewhere"}})
    save_checkpoint(run.checkpoint, {"step": 7, "tensor": torch.ones(3)})
    run.scene.mkdir()
    (run.scene / "scene.json").write_text("{}")
    run.metrics_file.write_text('{"step": 7}\n')
    return run


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def train(images: Path, run: Run, *options: str) -> int:
    return main(["train", "--images", str(images), "--output", str(run.folder), "--no-viewer", *options])


@pytest.mark.parametrize("options", [(), ("--overwrite",)])
def test_a_train_into_a_busy_run_touches_nothing(tmp_path, capsys, options):
    run = trained(tmp_path / "run")
    before = contents(run.folder)
    with run.locked():
        assert train(demo_capture(), run, *options) == 2
    assert contents(run.folder) == before


def test_a_train_into_a_run_that_only_began_touches_nothing_either(tmp_path, capsys):
    run = Run.create(tmp_path / "run")
    run.write_config({"recon": {}, "options": {"images": "elsewhere"}})
    run.metrics_file.write_text('{"step": 7}\n')
    before = contents(run.folder)
    with run.locked():
        assert train(demo_capture(), run) == 2
    assert "Another recon train" in capsys.readouterr().err
    assert contents(run.folder) == before


def test_overwrite_keeps_the_old_run_when_the_new_photos_are_none(tmp_path, capsys):
    run = trained(tmp_path / "run")
    before = contents(run.folder)
    (tmp_path / "empty").mkdir()
    assert train(tmp_path / "empty", run, "--overwrite") == 2
    assert "empty" in capsys.readouterr().err
    assert contents(run.folder) == before


def test_a_run_whose_config_lost_its_scene_is_not_resumed_but_kept(tmp_path, capsys):
    run = trained(tmp_path / "run")
    before = contents(run.folder)
    assert main(["train", "--resume", str(run.folder), "--no-viewer"]) == 2
    assert "is not whole" in capsys.readouterr().err
    assert contents(run.folder) == before
