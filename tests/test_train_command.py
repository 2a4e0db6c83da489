"""`recon train`: what it reports, what it refuses, and the budget of the whole command."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import SMALL, Said, refusal, result
from PIL import Image
from room import Room

from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.cli.main import main
from recon.errors import InputError
from recon.io.colmap import write_colmap
from recon.types import Cameras, Render


def test_train_reports_what_scripts_need(photos_with_poses: Path, tmp_path: Path, capsys: Said) -> None:
    told = result(capsys, "train", "--images", photos_with_poses, "--output", tmp_path / "run", *SMALL)
    assert told["run"] == str(tmp_path / "run")
    assert (told["photos"], told["registered"], told["steps"]) == (6, 6, 24)
    assert told["gaussians"] > 0
    assert 5 < told["psnr"] < 60
    assert -1 <= told["ssim"] <= 1
    names = [stage["name"] for stage in told["stages"]]
    assert names == ["photos", "points", "scene", "store", "train", "evaluate", "export", "report"]
    assert all(stage["seconds"] >= 0 and stage["peak_memory"] > 1e7 for stage in told["stages"])
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *(
            ".lock",
            "checkpoint",
            "config.toml",
            "exports",
            "exports.jsonl",
            "metrics.jsonl",
            "report.html",
            "scene",
            "sfm",
        )
    }


def test_a_seeded_run_repeats_bit_for_bit(trained_run: Path, photos_with_poses: Path, tmp_path: Path) -> None:
    assert main(["train", "--images", str(photos_with_poses), "--output", str(tmp_path / "again"), *SMALL]) == 0
    assert (tmp_path / "again/exports/splat.ply").read_bytes() == (trained_run / "exports/splat.ply").read_bytes()


def test_a_trained_run_is_replaced_only_when_told(
    trained_run: Path, photos_with_poses: Path, tmp_path: Path, capsys: Said
) -> None:
    import shutil

    shutil.copytree(trained_run, tmp_path / "run")
    again = ("train", "--images", photos_with_poses, "--output", tmp_path / "run", *SMALL)
    assert "--overwrite" in refusal(capsys, *again)
    assert result(capsys, *again, "--overwrite")["steps"] == 24


def test_train_without_photos_says_what_to_pass(tmp_path: Path, capsys: Said) -> None:
    assert "--images DIR" in refusal(capsys, "train")
    assert "does not exist" in refusal(capsys, "train", "--images", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    said = refusal(capsys, "train", "--images", tmp_path / "empty", "--output", tmp_path / "run")
    assert f"{tmp_path / 'empty'} is empty" in said


def test_a_length_of_time_that_is_none_names_its_option(photos_with_poses: Path, tmp_path: Path, capsys: Said) -> None:
    said = refusal(capsys, "train", "--images", photos_with_poses, "--output", tmp_path / "run", "--save-every", "0")
    assert "--save-every 0 leaves no time." in said


@pytest.mark.parametrize("place", ["beside", "given"])
def test_masks_count_where_poses_are_known(place: str, photos_with_poses: Path, tmp_path: Path) -> None:
    from recon.cli.posing import posed_photos
    from recon.cli.train import Options
    from recon.io.posed import find_posed

    found = find_posed(photos_with_poses)
    assert found is not None
    posed = found.read()
    write_colmap(posed, tmp_path / "model")
    masks = tmp_path / "masks"
    masks.mkdir()
    named = masks / (Path(posed.views[0].name).name + ".png")
    Image.new("L", (64, 48), 255).save(named)
    options = Options(images=photos_with_poses, masks=masks, colmap=tmp_path / "model" if place == "given" else None)
    console = Console(quiet=True, started=time.monotonic())
    (tmp_path / "work").mkdir()
    views = posed_photos(options, tmp_path / "work", Deadline(0.0, None), console).reconstruction.views
    assert {view.name: view.mask for view in views if view.mask is not None} == {posed.views[0].name: named}
    with pytest.raises(InputError, match="does not exist"):
        posed_photos(replace(options, masks=tmp_path / "none"), tmp_path / "work", Deadline(0.0, None), console)


def test_a_budget_that_leaves_no_time_to_train_says_so(
    photos_with_poses: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.cli.posing._FEW_POINTS", 0)  # finding points can use up the budget by itself
    said = refusal(capsys, "train", "--images", photos_with_poses, "--output", tmp_path / "run", "--budget", "2s")
    assert "used up before training" in said
    assert f"--resume {tmp_path / 'run'}" in said
    said = refusal(capsys, "train", "--images", photos_with_poses, "--output", tmp_path / "run", "--budget", "soon")
    assert "no length of time" in said


def test_training_gets_what_the_rest_of_the_command_leaves(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    from recon.cli.afterwards import Afterwards

    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    scene = room.scene()
    idle = Afterwards(scene, 0.5, 70.0).budget
    assert idle is not None
    assert 60 < idle < 70
    larger = Afterwards(replace(scene, cameras=scene.cameras.resized(1600)), 0.5, 70.0).budget
    assert larger is not None
    assert larger < idle - 0.5
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))  # a busy machine needs more for the rest
    busy = Afterwards(scene, 0.5, 70.0).budget
    assert busy is not None
    assert busy < idle - 5
    assert Afterwards(scene, 0.5, None).budget is None


class Slow:
    """Takes so long for each pixel, by a clock of its own."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.now = seconds, 0.0

    def render(self, cameras: Cameras, pixels: torch.Tensor | None = None) -> Render:
        self.now += int(cameras.width) * int(cameras.height) * self.seconds
        return Render(torch.zeros(1, 1, 3), torch.zeros(1, 1))


def test_a_budget_learns_how_fast_the_model_draws(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessed at a second a megapixel on a busy machine; it takes five seconds, and later a tenth."""
    from recon.cli.afterwards import Afterwards

    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))
    scene = replace(room.scene(test=(0, 3)), cameras=room.cameras.resized(1000))
    slow, megapixels = Slow(5e-6), 2 * 0.75
    afterwards = Afterwards(scene, 1.0, 100.0, clock=lambda: slow.now)
    guessed = afterwards.budget
    afterwards.look(slow, 0.29)
    assert afterwards.budget == guessed
    assert slow.now == 0
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    afterwards.look(slow, 0.31)
    assert afterwards.budget == pytest.approx(100 - 1 - 4.3 - 5 * megapixels, rel=0.01)
    assert slow.now < 1.1  # a hundredth of the budget
    once = slow.now
    afterwards.look(slow, 0.5)
    assert slow.now == once
    slow.seconds = 1e-7
    afterwards.look(slow, 0.9)
    assert afterwards.budget == pytest.approx(100 - 1 - 4.3 - 0.1 * megapixels, rel=0.01)


def test_a_slow_look_at_the_model_leaves_half_of_the_budget_to_training(room: Room) -> None:
    from recon.cli.afterwards import Afterwards

    slow = Slow(1.0)  # seconds a pixel
    afterwards = Afterwards(room.scene(test=(0, 3)), 1.0, 100.0, clock=lambda: slow.now)
    afterwards.look(slow, 0.31)
    assert afterwards.budget == 50


@pytest.mark.slow
def test_a_budget_covers_the_whole_command(photos_with_poses: Path, tmp_path: Path, capsys: Said) -> None:
    started = time.monotonic()
    arguments = ("--output", tmp_path / "run", "--budget", "14s", "--no-viewer", "gaussians", "--max-gaussians", "300")
    told = result(capsys, "train", "--images", photos_with_poses, *arguments)
    assert time.monotonic() - started < 14
    assert told["steps"] > 10
