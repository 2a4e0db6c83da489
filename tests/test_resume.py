"""A training that was stopped, killed or ran out of disk goes on from a whole checkpoint and ends the same."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import RECON, SMALL, STEPS
from room import Room

from recon.cli.main import main
from recon.cli.resuming import _same
from recon.cli.train_options import Options
from recon.io import checkpoint as checkpoint_module
from recon.io.checkpoint import load_checkpoint


@pytest.fixture(scope="module")
def photos(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return room.write_posed_photos(tmp_path_factory.mktemp("photos") / "room")


@pytest.fixture(scope="module")
def uninterrupted(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    run = tmp_path_factory.mktemp("whole") / "run"
    assert main(["train", "--images", str(photos), "--output", str(run), *SMALL]) == 0
    return load_checkpoint(run / "checkpoint")


def assert_same_end(run: Path, expected: dict[str, Any]) -> None:
    found = load_checkpoint(run / "checkpoint")
    assert found.keys() == expected.keys()
    different = [name for name in expected if name != "elapsed" and not torch.equal(found[name], expected[name])]
    assert different == []


def interrupt_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C arrives when this step is done."""
    from recon.cli import training

    show = training._show_progress

    def and_interrupt(*given: Any) -> None:
        show(*given)
        if given[1].step == step:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(training, "_show_progress", and_interrupt)


def test_ctrl_c_saves_and_says_how_to_go_on(
    photos: Path,
    uninterrupted: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(17, patch)
        assert main(["train", "--images", str(photos), "--output", str(run), *SMALL]) == 130
    assert f"recon train --resume {run}" in capsys.readouterr().err
    assert int(load_checkpoint(run / "checkpoint")["step"]) == 17
    assert main(["train", "--output", str(run), "--resume", "--no-viewer", "--quiet"]) == 0
    assert_same_end(run, uninterrupted)
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == STEPS
    assert (run / "exports" / "splat.ply").is_file()


def test_ctrl_c_before_training_loses_nothing(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from recon.cli import preparing

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(preparing, "load_scene", interrupted)
        assert main(["train", "--images", str(photos), "--output", str(run), *SMALL]) == 130
    assert "Nothing was trained yet" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--no-viewer", "--quiet"]) == 0
    assert int(load_checkpoint(run / "checkpoint")["step"]) == STEPS


def test_resuming_a_finished_run_only_measures_and_exports_again(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert main(["train", "--images", str(photos), "--output", str(run), *SMALL, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert main(["train", "--resume", str(run), "--no-viewer", "--quiet", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["steps"], again["psnr"], again["gaussians"]) == (STEPS, first["psnr"], first["gaussians"])


def test_a_full_disk_stops_training_and_keeps_the_old_checkpoint(
    photos: Path,
    uninterrupted: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "run"
    write, written = checkpoint_module.write_synced, []

    def until_full(path: Path, data: bytes) -> None:
        written.append(path)
        if len(written) > 6:  # two files a checkpoint
            path.write_bytes(data[: len(data) // 2])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_module, "write_synced", until_full)
        every_step = ("--save-every", "0.000001s")
        assert main(["train", "--images", str(photos), "--output", str(run), *SMALL, *every_step]) == 2
    said = capsys.readouterr().err
    assert f"{run / 'checkpoint'}: No space left on device" in said
    assert "--resume" in said
    assert int(load_checkpoint(run / "checkpoint")["step"]) == 3
    assert main(["train", "--resume", str(run), "--no-viewer", "--quiet"]) == 0
    assert_same_end(run, uninterrupted)


def test_kill_9_in_the_middle_of_training_loses_little(
    photos: Path, uninterrupted: dict[str, Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = [*RECON, "train", "--images", str(photos), "--output", str(run), *SMALL]
    process = subprocess.Popen([*command, "--save-every", "0.000001s"], stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not (run / "checkpoint" / "state.json").exists():
        assert process.poll() is None, "ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert 0 < int(load_checkpoint(run / "checkpoint")["step"]) < STEPS
    assert main(["train", "--resume", str(run), "--no-viewer", "--quiet"]) == 0
    assert_same_end(run, uninterrupted)


def test_changed_photos_are_not_mixed_into_a_run(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, run = room.write_posed_photos(tmp_path / "photos"), tmp_path / "run"
    with monkeypatch.context() as patch:
        interrupt_at(3, patch)
        assert main(["train", "--images", str(photos), "--output", str(run), *SMALL]) == 130
    (photos / room.names[2]).write_bytes((photos / room.names[1]).read_bytes())
    assert main(["train", "--resume", str(run), "--no-viewer"]) == 2
    assert "changed since" in capsys.readouterr().err


def test_resume_without_a_run_says_what_to_write(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--resume"]) == 2
    assert "recon train --resume RUN" in capsys.readouterr().err
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (("--image-size", "320"), "--image-size"),
        (("--output", "elsewhere"), "--output"),
        (("--overwrite",), "--overwrite"),
        (("--hold-out", "5"), "--hold-out"),
        (("nerf",), "Another model"),
        (("gaussians", "--max-gaussians", "5"), "Another model"),
    ],
)
def test_what_cannot_change_on_the_way_is_refused_by_name(
    trained_run: Path, given: tuple[str, ...], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--resume", str(trained_run), "--no-viewer", *given]) == 2
    said = capsys.readouterr().err
    assert f"{named} " in said
    assert "goes on as it was started" in said


def test_the_length_that_a_run_began_with_may_be_said_again_but_no_other(
    trained_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    resume = ["train", "--resume", str(run), "--no-viewer", "--quiet"]
    assert main([*resume, "--steps", str(STEPS)]) == 0
    for other in (("--steps", str(STEPS + 1)), ("--budget", "3m")):
        assert main([*resume, *other]) == 2
        assert "goes on with the length it was started with" in capsys.readouterr().err


def test_the_same_budget_may_be_written_otherwise() -> None:
    begun = Options(budget="180s", steps=7)
    assert _same(begun, "budget", "3m")
    assert not _same(begun, "budget", "4m")
    assert not _same(Options(), "budget", "3m")
