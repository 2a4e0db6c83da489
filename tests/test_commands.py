"""The commands around training, as scripts use them: one JSON object on stdout, files where they were asked for."""

from __future__ import annotations

import errno
import json
import shutil
import signal
import subprocess
import urllib.request
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from command_line import RECON, SMALL, Said, refusal, result
from room import Room

from recon.cli.main import main
from recon.cli.opening import open_run, posed_again, scene_to_look_at, scene_with_photos
from recon.cli.splat_scene import open_splats
from recon.errors import RunError
from recon.io.colmap import write_colmap
from recon.io.lock import locked
from recon.io.ply import write_ply


def test_eval_scores_every_held_out_photo(trained_run: Path, capsys: Said) -> None:
    told = result(capsys, "eval", trained_run)
    assert [view["name"] for view in told["views"]] == ["room_00.png", "room_03.png"]
    assert told["psnr"] == pytest.approx(sum(view["psnr"] for view in told["views"]) / 2)
    assert told["ssim"] == pytest.approx(sum(view["ssim"] for view in told["views"]) / 2)
    assert main(["eval", str(trained_run)]) == 0
    table = capsys.readouterr().out
    assert f"{told['views'][1]['psnr']:.2f}" in table
    assert table.splitlines()[-1].startswith("mean")


def test_render_names_pictures_after_photos(trained_run: Path, tmp_path: Path, capsys: Said) -> None:
    told = result(capsys, "render", trained_run, "--views", "test", "--output", tmp_path)
    assert told["files"] == [str(tmp_path / name) for name in ("room_00.png", "room_03.png")]
    assert len(result(capsys, "render", trained_run, "--views", "train", "--output", tmp_path / "train")["files"]) == 4
    told = result(
        capsys, "render", trained_run, "--views", "orbit", "--output", tmp_path, "--seconds", "0.3", "--fps", "10"
    )
    assert told["files"] == [str(tmp_path / "orbit.mp4")]
    assert (tmp_path / "orbit.mp4").stat().st_size > 500


def test_what_training_exports_is_kept_in_the_run_like_any_export(trained_run: Path) -> None:
    first = json.loads((trained_run / "exports.jsonl").read_text().splitlines()[0])
    assert first["file"] == str(trained_run / "exports" / "splat.ply")
    assert (first["kind"], first["format"]) == ("splats", "3DGS PLY")
    assert first["bytes"] == (trained_run / "exports" / "splat.ply").stat().st_size


def test_export_writes_every_file_asked_for(trained_run: Path, tmp_path: Path, capsys: Said) -> None:
    files = [tmp_path / "a.ply", tmp_path / "new" / "b.ply"]
    told = result(capsys, "export", trained_run, "--to", *files)
    assert [Path(item["file"]) for item in told["files"]] == files
    assert files[0].read_bytes() == files[1].read_bytes() == (trained_run / "exports" / "splat.ply").read_bytes()
    assert "splats: .ply" in refusal(capsys, "export", trained_run, "--to", tmp_path / "c.docx")


def test_info_tells_what_things_are(
    trained_run: Path, photos_with_poses: Path, room: Room, tmp_path: Path, capsys: Said
) -> None:
    assert result(capsys, "info", trained_run)["step"] == 24
    assert result(capsys, "info", trained_run / "exports" / "splat.ply")["kind"] == "splats"
    assert result(capsys, "info", trained_run / "sfm")["views"] == 6
    assert result(capsys, "info", photos_with_poses)["kind"] == "transforms"
    plain = room.write_photos(tmp_path / "plain")
    told = result(capsys, "info", plain)
    assert (told["kind"], told["photos"], told["sizes"]) == ("photos", 6, ["64x48"])
    assert "does not exist" in refusal(capsys, "info", tmp_path / "nothing")
    assert main(["info", str(trained_run)]) == 0
    assert "gaussians" in capsys.readouterr().out


def test_a_run_outlives_its_photos(room: Room, tmp_path: Path, capsys: Said) -> None:
    photos, run = room.write_posed_photos(tmp_path / "photos"), tmp_path / "run"
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
    photos = room.write_posed_photos(tmp_path / "room")
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


def test_poses_waits_for_nobody_who_writes_to_the_same_folder(room: Room, tmp_path: Path, capsys: Said) -> None:
    photos, output = room.write_photos(tmp_path / "photos"), tmp_path / "model"
    with locked(output, command="recon poses"):
        assert f"Another recon poses is writing to {output}" in refusal(capsys, "poses", photos, "--output", output)
    assert [file.name for file in output.iterdir()] == [".lock"]


def test_an_export_from_a_run_that_may_not_be_written_to_goes_on(
    trained_run: Path, tmp_path: Path, capsys: Said
) -> None:
    run = Path(shutil.copytree(trained_run, tmp_path / "run"))
    (run / "exports.jsonl").unlink()
    (run / "exports.jsonl").mkdir()  # which nobody may write to as a file, root neither
    files = [tmp_path / "a.ply", tmp_path / "b.splat"]
    assert main(["export", str(run), "--to", *map(str, files)]) == 0
    assert all(file.is_file() for file in files)
    assert capsys.readouterr().err.count("exports.jsonl could not be written") == 2


def test_pictures_and_reports_that_cannot_be_written_leave_nothing_under_their_names(
    trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    from PIL import Image

    def full(self: Image.Image, file: Path, *_: object) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device", str(file))

    monkeypatch.setattr(Image.Image, "save", full)
    assert "No space left" in refusal(capsys, "render", trained_run, "--views", "test", "--output", tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_poses_reports_what_scripts_need(
    room: Room, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.io.transforms import read_transforms
    from recon.sfm import poses
    from recon.types import LeftOut

    posed = room.write_posed_photos(tmp_path / "posed")
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


def test_view_serves_a_page_until_it_is_stopped(trained_run: Path) -> None:
    process = subprocess.Popen(
        [*RECON, "view", str(trained_run), "--port", "0", "--json"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["address"]
    with urllib.request.urlopen(address, timeout=20) as page:
        assert b"<html" in page.read().lower()
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=20) == 0


def test_a_splat_file_can_be_orbited_as_a_run_can(room: Room, tmp_path: Path) -> None:
    write_ply(room.gaussians(sh_degree=1), tmp_path / "room.ply", up=[0.0, 0.0, 1.0])
    model, scene = open_splats(tmp_path / "room.ply")
    assert scene.up.tolist() == [0.0, 0.0, 1.0]
    render = model.render(scene.cameras[0])
    assert render.alpha[360, 480] > 0.9  # the middle of the picture is the middle of the splats
    assert (scene.cameras.cam_from_world[:, 1, 2] < 0).all()  # upright
    assert scene.images[0].rgb.shape == (720, 960, 3)


def test_photos_that_are_gone_are_gray_in_the_viewer(room: Room, tmp_path: Path) -> None:
    photos, folder = room.write_posed_photos(tmp_path / "photos"), tmp_path / "run"
    assert main(["train", "--images", str(photos), "--output", str(folder), *SMALL]) == 0
    (photos / "room_02.png").unlink()
    scene = scene_to_look_at(open_run(folder))
    assert (scene.images[2].rgb == 128).all()
    assert scene.images[1].rgb.float().std() > 10
