"""A run that exists is not lost to a command that cannot replace it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import SMALL

from recon.cli import posing, preparing
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


def with_poses(run: Run) -> Run:
    """A finished stage and a loose file, as structure from motion leaves them."""
    (run.sfm / "sparse" / "0").mkdir(parents=True)
    (run.sfm / "sparse" / "stage.json").write_text('{"key": "old"}')
    (run.sfm / "sparse" / "0" / "cameras.bin").write_bytes(b"old")
    (run.sfm / "cameras.bin").write_bytes(b"old")
    return run


@pytest.mark.parametrize("moment", ["write_colmap", "name_left_out"])
def test_ctrl_c_before_the_old_run_is_replaced_keeps_it_and_says_so(room, tmp_path, capsys, monkeypatch, moment):
    run, photos = with_poses(trained(tmp_path / "run")), room.write_posed_photos(tmp_path / "photos")
    before = contents(run.folder)

    def interrupted(*given: object, **named: object) -> None:
        if moment == "write_colmap":
            (tmp_path / "run" / "sfm.new" / "cameras.bin").write_bytes(b"half of the n")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(posing, moment, interrupted)
        assert train(photos, run, "--overwrite", *SMALL) == 130
    said = capsys.readouterr().err
    assert f"Nothing was replaced: {run.folder} holds the run that was there." in said
    assert "Saved" not in said
    assert "--resume" not in said
    after = {name: data for name, data in contents(run.folder).items() if not name.startswith("sfm.new")}
    assert after == before
    assert train(photos, run, "--overwrite", *SMALL) == 0
    assert not (run.folder / "sfm.new").exists()
    assert contents(run.sfm)["cameras.bin"] not in (b"old", b"half of the n")


def test_ctrl_c_after_the_old_run_was_replaced_speaks_of_the_new_one(room, tmp_path, capsys, monkeypatch):
    run, photos = with_poses(trained(tmp_path / "run")), room.write_posed_photos(tmp_path / "photos")

    def interrupt(*given: Any) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        write_scene(*given)

    write_scene = preparing.write_scene
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "write_scene", interrupt)
        assert train(photos, run, "--overwrite", *SMALL) == 130
    assert f"Nothing was trained yet. Go on with recon train --resume {run.folder}" in capsys.readouterr().err
    assert main(["train", "--resume", str(run.folder), "--no-viewer", "--quiet"]) == 0


def test_poses_found_before_count_in_the_run_that_replaces_theirs(tmp_path):
    run = with_poses(trained(tmp_path / "run"))
    place = run.sfm_to_fill()
    assert place != run.sfm
    assert (place / "sparse" / "0" / "cameras.bin").samefile(run.sfm / "sparse" / "0" / "cameras.bin")
    assert not (place / "cameras.bin").exists()
    run.begin({"recon": {}})
    assert (run.sfm / "sparse" / "stage.json").exists()
    assert not place.exists()
    assert run.sfm_to_fill() == run.sfm


def test_a_run_replaced_halfway_and_killed_has_no_checkpoint_left(tmp_path, monkeypatch):
    run = trained(tmp_path / "run")

    class KilledError(Exception):
        pass

    def killed(*given: object) -> None:
        raise KilledError

    monkeypatch.setattr(Run, "write_config", killed)
    with pytest.raises(KilledError):
        run.begin({})
    assert not run.has_checkpoint


def test_resuming_the_old_run_drops_what_was_found_to_replace_it(room, tmp_path):
    photos, folder = room.write_posed_photos(tmp_path / "photos"), tmp_path / "run"
    assert main(["train", "--images", str(photos), "--output", str(folder), *SMALL]) == 0
    beside = Run(folder).sfm_to_fill()
    assert beside.is_dir()
    assert main(["train", "--resume", str(folder), "--no-viewer", "--quiet"]) == 0
    assert not beside.exists()
