"""The command line as people meet it: help, misspellings, exit codes, errors that say what to do."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import RECON, Said, refusal

from recon.cli.command import INTERRUPTED
from recon.cli.main import COMMANDS, main


def test_help_answers_in_half_a_second_without_torch() -> None:
    seconds, answer = [], None
    for _ in range(3):
        started = time.monotonic()
        answer = subprocess.run([*RECON, "--help"], capture_output=True, text=True, check=True)
        seconds.append(time.monotonic() - started)
    assert min(seconds) < 0.5
    assert answer is not None
    assert all(name in answer.stdout for name in COMMANDS)
    probe = "import sys; from recon.cli.main import main; main(['--help']); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True).stdout.endswith("False\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str, capsys: Said) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert f"usage: recon {name}" in text
    assert "--json" in text
    assert "default: None" not in text
    assert "default: False" not in text


def test_a_misspelt_command_is_answered_with_the_nearest(capsys: Said) -> None:
    assert "Did you mean recon train?" in refusal(capsys, "trian")
    assert "The commands are train" in refusal(capsys, "xyzzy")


def test_no_command_shows_the_help_and_fails(capsys: Said) -> None:
    assert main([]) == 2
    assert "recon train --images" in capsys.readouterr().out


def test_a_misspelt_option_exits_with_2(capsys: Said) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["train", "--image", "x"])
    assert stopped.value.code == 2
    assert "--images" in capsys.readouterr().err


<<<<<<< HEAD
def test_interrupted_commands_exit_with_130(trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
=======
@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("180s", 180), ("5m", 300), ("1.5h", 5400), ("1h30m", 5400), ("2 min", 120)]
)
def test_budgets_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "5 bananas", "-3s", "0", "1h30", "s"])
def test_a_budget_that_is_none_says_how_to_write_one(text: str) -> None:
    with pytest.raises(InputError) as caught:
        seconds_of(text)
    assert "60s" in caught.value.advice or "180s" in caught.value.advice


def test_a_length_of_time_that_is_none_names_its_option(photos: Path, tmp_path: Path, capsys: Said) -> None:
    said = refusal(capsys, "train", "--images", photos, "--output", tmp_path / "run", "--save-every", "0")
    assert "--save-every 0 leaves no time." in said


@pytest.mark.parametrize("place", ["beside", "given"])
def test_masks_count_where_poses_are_known(place: str, photos: Path, tmp_path: Path) -> None:
    from recon.cli.posing import posed_photos
    from recon.cli.train import Options
    from recon.io.posed import find_posed

    found = find_posed(photos)
    assert found is not None
    posed = found.read()
    write_colmap(posed, tmp_path / "model")
    masks = tmp_path / "masks"
    masks.mkdir()
    named = masks / (Path(posed.views[0].name).name + ".png")
    Image.new("L", (64, 48), 255).save(named)
    options = Options(images=photos, masks=masks, colmap=tmp_path / "model" if place == "given" else None)
    console = Console(quiet=True, started=time.monotonic())
    (tmp_path / "work").mkdir()
    views = posed_photos(options, tmp_path / "work", Deadline(0.0, None), console).reconstruction.views
    assert {view.name: view.mask for view in views if view.mask is not None} == {posed.views[0].name: named}
    with pytest.raises(InputError, match="does not exist"):
        posed_photos(replace(options, masks=tmp_path / "none"), tmp_path / "work", Deadline(0.0, None), console)


def test_durations_read_well() -> None:
    assert [duration(x) for x in (0.44, 12.4, 59.7, 185.0, 3720.0)] == [
        "0.4 s",
        "12 s",
        "1:00 min",
        "3:05 min",
        "1:02:00 h",
    ]


def test_what_is_left_of_a_budget_shrinks() -> None:
    assert Deadline(time.monotonic() - 4.0, 10.0).left == pytest.approx(6, abs=0.5)
    assert Deadline(0.0, None).left is None


def test_a_stage_ends_with_one_line_of_time_and_memory(capsys: Said) -> None:
    console = Console()
    with console.stage("poses") as stage:
        stage.progress(0.5, "nothing to see before two seconds")
        stage.result = "72 of 72 photos"
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("poses ")
    assert err.endswith("GB   72 of 72 photos\n")
    assert err.count("\n") == 1
    assert [summary.name for summary in console.stages] == ["poses"]


def test_long_stages_say_how_long_they_will_take_where_nothing_can_be_drawn(
    capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console()
    with console.stage("train") as stage:
        stage.started -= 30
        stage._spoke -= 30
        stage._part_started -= 30
        stage.progress(0.25, "step 100")
        stage.progress(0.26, "step 101")
    first, *others = capsys.readouterr().err.splitlines()
    assert first == "train: 25%, 1:30 min left  step 100"
    assert len(others) == 1  # the summary: the second came too soon


def test_quiet_is_quiet_but_for_errors(capsys: Said) -> None:
    console = Console(quiet=True)
    with console.stage("train") as stage:
        stage.started -= 30
        stage.progress(0.5)
    console.say("hello")
    assert capsys.readouterr() == ("", "")
    console.error("It broke.", "Mend it.")
    assert capsys.readouterr().err == "recon: It broke.\nMend it.\n"


def test_peak_memory_sees_what_was_held_in_between() -> None:
    before = PeakMemory().bytes()
    memory = PeakMemory()
    held = np.ones(30_000_000)
    del held
    peak = memory.bytes()
    assert peak > before + 200_000_000
    assert PeakMemory().bytes() < peak - 200_000_000


def test_train_reports_what_scripts_need(photos: Path, tmp_path: Path, capsys: Said) -> None:
    told = result(capsys, "train", "--images", photos, "--output", tmp_path / "run", *SMALL)
    assert told["run"] == str(tmp_path / "run")
    assert (told["photos"], told["registered"], told["steps"]) == (6, 6, 24)
    assert told["gaussians"] > 0
    assert 5 < told["psnr"] < 60
    assert -1 <= told["ssim"] <= 1
    names = [stage["name"] for stage in told["stages"]]
    assert names == ["photos", "points", "scene", "store", "train", "evaluate", "export", "report"]
    assert all(stage["seconds"] >= 0 and stage["peak_memory"] > 1e7 for stage in told["stages"])
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        *(".lock", "checkpoint", "config.toml", "exports", "metrics.jsonl", "report.html", "scene", "sfm")
    }


def test_a_seeded_run_repeats_bit_for_bit(run: Path, photos: Path, tmp_path: Path) -> None:
    assert main(["train", "--images", str(photos), "--output", str(tmp_path / "again"), *SMALL]) == 0
    assert (tmp_path / "again/exports/splat.ply").read_bytes() == (run / "exports/splat.ply").read_bytes()


def test_eval_scores_every_held_out_photo(run: Path, capsys: Said) -> None:
    told = result(capsys, "eval", run)
    assert [view["name"] for view in told["views"]] == ["room_00.png", "room_03.png"]
    assert told["psnr"] == pytest.approx(sum(view["psnr"] for view in told["views"]) / 2)
    assert told["ssim"] == pytest.approx(sum(view["ssim"] for view in told["views"]) / 2)
    assert main(["eval", str(run)]) == 0
    table = capsys.readouterr().out
    assert f"{told['views'][1]['psnr']:.2f}" in table
    assert table.splitlines()[-1].startswith("mean")


def test_render_names_pictures_after_photos(run: Path, tmp_path: Path, capsys: Said) -> None:
    told = result(capsys, "render", run, "--views", "test", "--output", tmp_path)
    assert told["files"] == [str(tmp_path / name) for name in ("room_00.png", "room_03.png")]
    assert len(result(capsys, "render", run, "--views", "train", "--output", tmp_path / "train")["files"]) == 4
    told = result(capsys, "render", run, "--views", "orbit", "--output", tmp_path, "--seconds", "0.3", "--fps", "10")
    assert told["files"] == [str(tmp_path / "orbit.mp4")]
    assert (tmp_path / "orbit.mp4").stat().st_size > 500


def test_what_training_exports_is_kept_in_the_run_like_any_export(run: Path) -> None:
    first = json.loads((run / "exports.jsonl").read_text().splitlines()[0])
    assert first["file"] == str(run / "exports" / "splat.ply")
    assert (first["kind"], first["format"], first["bytes"]) == (
        "splats",
        "3DGS PLY",
        (run / "exports/splat.ply").stat().st_size,
    )


def test_export_writes_every_file_asked_for(run: Path, tmp_path: Path, capsys: Said) -> None:
    files = [tmp_path / "a.ply", tmp_path / "new" / "b.ply"]
    told = result(capsys, "export", run, "--to", *files)
    assert [Path(item["file"]) for item in told["files"]] == files
    assert files[0].read_bytes() == files[1].read_bytes() == (run / "exports" / "splat.ply").read_bytes()
    assert "splats: .ply" in refusal(capsys, "export", run, "--to", tmp_path / "c.docx")


def test_info_tells_what_things_are(run: Path, photos: Path, room: Room, tmp_path: Path, capsys: Said) -> None:
    assert result(capsys, "info", run)["step"] == 24
    assert result(capsys, "info", run / "exports" / "splat.ply")["kind"] == "splats"
    assert result(capsys, "info", run / "sfm")["views"] == 6
    assert result(capsys, "info", photos)["kind"] == "transforms"
    plain = room.write_photos(tmp_path / "plain")
    told = result(capsys, "info", plain)
    assert (told["kind"], told["photos"], told["sizes"]) == ("photos", 6, ["64x48"])
    assert "does not exist" in refusal(capsys, "info", tmp_path / "nothing")
    assert main(["info", str(run)]) == 0
    assert "gaussians" in capsys.readouterr().out


def test_a_run_outlives_its_photos(room: Room, tmp_path: Path, capsys: Said) -> None:
    photos, run = posed_photos(room, tmp_path / "photos"), tmp_path / "run"
    before = result(capsys, "train", "--images", photos, "--output", run, *SMALL)
    photos.rename(tmp_path / "moved")
    result(capsys, "export", run, "--to", tmp_path / "a.ply")
    result(capsys, "render", run, "--views", "test", "--output", tmp_path)
    assert "Say where they are now with --images" in refusal(capsys, "eval", run)
    assert result(capsys, "eval", run, "--images", tmp_path / "moved")["psnr"] == pytest.approx(
        before["psnr"], abs=1e-6
    )
    assert "no longer in" in refusal(capsys, "eval", run, "--images", tmp_path)


def test_missing_photos_are_said_to_be_gone_from_the_folder_of_their_names(room: Room, tmp_path: Path) -> None:
    photos = posed_photos(room, tmp_path / "room")
    (photos / "images").mkdir()
    for file in photos.glob("*.png"):
        file.rename(photos / "images" / file.name)
    poses = json.loads((photos / "transforms.json").read_text())
    for frame in poses["frames"]:
        frame["file_path"] = f"images/{frame['file_path']}"
    (photos / "transforms.json").write_text(json.dumps(poses))
    assert main(["train", "--images", str(photos), "--output", str(tmp_path / "run"), *SMALL]) == 0
    run, moved = open_run(tmp_path / "run"), tmp_path / "moved"
    (photos / "images").rename(moved)
    with pytest.raises(RunError, match=f"no longer in {photos}, images/"):
        posed_again(run.run)
    assert scene_with_photos(run.run, run.config, posed_again(run.run, moved)).names == run.scene.names


def test_a_trained_run_is_replaced_only_when_told(run: Path, photos: Path, tmp_path: Path, capsys: Said) -> None:
    import shutil

    shutil.copytree(run, tmp_path / "run")
    again = ("train", "--images", photos, "--output", tmp_path / "run", *SMALL)
    assert "--overwrite" in refusal(capsys, *again)
    assert result(capsys, *again, "--overwrite")["steps"] == 24


def test_train_without_photos_says_what_to_pass(tmp_path: Path, capsys: Said) -> None:
    assert "--images DIR" in refusal(capsys, "train")
    assert "does not exist" in refusal(capsys, "train", "--images", tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    said = refusal(capsys, "train", "--images", tmp_path / "empty", "--output", tmp_path / "run")
    assert f"{tmp_path / 'empty'} is empty" in said


def test_a_budget_that_leaves_no_time_to_train_says_so(
    photos: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.cli.posing._FEW_POINTS", 0)  # finding points can use up the budget by itself
    said = refusal(capsys, "train", "--images", photos, "--output", tmp_path / "run", "--budget", "2s")
    assert "used up before training" in said
    assert f"--resume {tmp_path / 'run'}" in said
    said = refusal(capsys, "train", "--images", photos, "--output", tmp_path / "run", "--budget", "soon")
    assert "no length of time" in said


def test_training_gets_what_the_rest_of_the_command_leaves(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    from recon.cli.preparing import _train_config
    from recon.cli.train import Options

    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    options, scene = Options(budget="100s", steps=7), room.scene()
    config = _train_config(scene, options, Deadline(time.monotonic() - 30.0, 100.0))
    assert config.budget is not None
    assert 60 < config.budget < 70
    assert config.steps == 7
    larger = replace(scene, cameras=scene.cameras.resized(1600))
    reserved_more = _train_config(larger, options, Deadline(time.monotonic() - 30.0, 100.0))
    assert reserved_more.budget is not None
    assert reserved_more.budget < config.budget - 0.5
    monkeypatch.setattr("os.getloadavg", lambda: (1000.0, 0.0, 0.0))  # a busy machine needs more for the rest
    reserved_more = _train_config(scene, options, Deadline(time.monotonic() - 30.0, 100.0))
    assert reserved_more.budget is not None
    assert reserved_more.budget < config.budget - 5
    assert _train_config(scene, options, Deadline(0.0, None)).budget is None


@pytest.mark.slow
def test_a_budget_covers_the_whole_command(photos: Path, tmp_path: Path, capsys: Said) -> None:
    started = time.monotonic()
    arguments = ("--output", tmp_path / "run", "--budget", "14s", "--no-viewer", "gaussians", "--max-gaussians", "300")
    told = result(capsys, "train", "--images", photos, *arguments)
    assert time.monotonic() - started < 14
    assert told["steps"] > 10


def test_poses_reports_what_scripts_need(
    room: Room, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.io.transforms import read_transforms
    from recon.sfm import poses
    from recon.types import LeftOut

    posed = posed_photos(room, tmp_path / "posed")
    photos = room.write_photos(tmp_path / "photos")

    def found(capture: Any, config: Any, workspace: Path, progress: Any) -> Any:
        reconstruction = read_transforms(posed)
        left_out = (LeftOut("room_05.png", "shares nothing with the others"),)
        found = replace(reconstruction, views=reconstruction.views[:5], left_out=left_out, mean_track_length=3.5)
        write_colmap(found, workspace / "sparse" / "0")
        return found

    monkeypatch.setattr(poses, "pose_photos", found)
    told = result(capsys, "poses", photos, "--output", tmp_path / "model")
    assert (told["photos"], told["registered"], told["left_out"]) == (6, 5, ["room_05.png"])
    assert (told["mean_track_length"], told["mean_reprojection_error"]) == (3.5, None)
    assert told["points"] == 0
    assert told["seconds"] > 0
    assert result(capsys, "info", tmp_path / "model")["views"] == 5


def test_interrupted_commands_exit_with_130(run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch) -> None:
>>>>>>> 22c4482 (Let SOG's palette follow what photos show)
    from recon.cli import export

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(export, "open_run", interrupted)
    assert main(["export", str(trained_run), "--to", "x.ply"]) == INTERRUPTED == 130
    assert "Interrupted" in capsys.readouterr().err


def test_a_full_disk_is_an_error_to_mend_wherever_it_is_noticed(
    trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.cli import export

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/full/disk")

    monkeypatch.setattr(export, "open_run", full)
    assert "/full/disk could not be written: No space" in refusal(capsys, "export", trained_run, "--to", "x.ply")


@pytest.mark.parametrize("number", ["EACCES", "EPERM", "ENAMETOOLONG", "EISDIR", "ENOTDIR", "EEXIST", "ENOENT"])
def test_a_file_that_cannot_be_used_is_named_with_what_helps(
    number: str, trained_run: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.cli import export

    def refused(*_: object) -> None:
        code = getattr(errno, number)
        raise OSError(code, os.strerror(code), "/some/file")

    monkeypatch.setattr(export, "open_run", refused)
    said = refusal(capsys, "export", trained_run, "--to", "x.ply")
    assert f"/some/file could not be used: {os.strerror(getattr(errno, number))}." in said
    assert "choose another folder" in said
    assert "space" not in said
    assert "Errno" not in said
