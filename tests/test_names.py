"""Names of files and folders that are no text: said so that they can be read, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from command_line import RECON
from room import Room

from recon.cli.main import main

LATIN = os.fsdecode(b"caf\xe9")
"""As another encoding than UTF-8 wrote it."""
Said = pytest.CaptureFixture[str]


def make(path: Path) -> Path:
    try:
        path.mkdir()
    except OSError:
        pytest.skip("this file system knows no such names")
    return path


@pytest.mark.parametrize("command", ["train --images", "poses", "info", "eval", "view", "export --to x.ply"])
def test_a_folder_that_is_no_utf8_is_refused_by_a_name_to_read(tmp_path: Path, command: str, capsys: Said) -> None:
    folder = make(tmp_path / LATIN)
    assert main([*command.split(), str(folder), *(["--output", "x"] if command == "poses" else [])]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path}/caf\\xe9 is no valid UTF-8." in said
    assert "Rename" in said


def test_a_train_inside_a_folder_that_is_no_utf8_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    monkeypatch.chdir(make(tmp_path / LATIN))
    Path("photos").mkdir()
    assert main(["train", "--images", "photos", "--no-viewer"]) == 2
    assert "unprintable characters in its name" in capsys.readouterr().err


@pytest.mark.parametrize("name", [LATIN + ".png", LATIN + ".mp4", LATIN + ".dng", "a\nb.png"])
def test_a_file_that_is_no_utf8_is_left_out_by_a_name_to_read(room: Room, tmp_path: Path, name: str) -> None:
    photos = room.write_photos(tmp_path / "photos")
    try:
        shutil.copy(photos / "room_00.png", photos / name)
    except OSError:
        pytest.skip("this file system knows no such names")
    command = [*RECON, "info", str(photos)]
    plain = subprocess.run(command, capture_output=True, check=True)
    assert ascii(name).encode() in plain.stdout
    told = json.loads(subprocess.run([*command, "--json"], capture_output=True, check=True).stdout)
    assert told["photos"] == 6
    assert told["left_out"] == [f"{name!a}: has unprintable characters in its name. Rename it."]


def test_names_in_poses_that_no_file_can_have_are_left_out(room: Room, tmp_path: Path) -> None:

    photos = room.write_posed_photos(tmp_path / "photos")
    poses = json.loads((photos / "transforms.json").read_text())
    poses["frames"][0]["file_path"] = "\ud800.png"
    (photos / "transforms.json").write_text(json.dumps(poses))
    command = [*RECON, "info", str(photos)]
    for options in ([], ["--json"]):
        assert b"ud800.png" in subprocess.run([*command, *options], capture_output=True, check=True).stdout
