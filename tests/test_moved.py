"""Photos and masks that were moved after the training: found again, or missed aloud; never left out in silence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import SMALL
from PIL import Image
from room import Room
from test_resume import interrupt_at

from recon.cli.main import main
from recon.cli.opening import open_run, posed_again
from recon.io.checkpoint import load_checkpoint

Said = pytest.CaptureFixture[str]
MASKED = "room_03.png"
"""A photo that is held out: its mask counts in `recon eval`."""


@pytest.fixture
def home(room: Room, tmp_path: Path) -> Path:
    """A folder with the photos, and a mask over the left half of one of them in a folder of its own inside."""
    photos = room.write_posed_photos(tmp_path / "home")
    mask = np.zeros((48, 64), dtype=np.uint8)
    mask[:, 32:] = 255
    (photos / "masks").mkdir()
    Image.fromarray(mask).save(photos / "masks" / f"{MASKED}.png")
    return photos


def trained(photos: Path, run: Path, *options: str) -> Path:
    assert main(["train", "--images", str(photos), "--output", str(run), *options, *SMALL]) == 0
    return run


def psnr(said: Said, *arguments: object) -> dict[str, Any]:
    said.readouterr()
    assert main(["eval", *map(str, arguments), "--json"]) == 0
    return {view["name"]: view["psnr"] for view in json.loads(said.readouterr().out)["views"]}


def test_masks_that_moved_with_their_photos_still_count(home: Path, tmp_path: Path, capsys: Said) -> None:
    run = trained(home, tmp_path / "run")
    before = psnr(capsys, run)
    moved = home.rename(tmp_path / "moved")
    assert psnr(capsys, run, "--images", moved) == before
    view = next(view for view in posed_again(open_run(run).run, moved).views if view.name == MASKED)
    assert view.mask == moved / "masks" / f"{MASKED}.png"


def test_masks_that_lie_where_they_lay_still_count(home: Path, tmp_path: Path, capsys: Said) -> None:
    masks = (home / "masks").rename(tmp_path / "drawn")
    run = trained(home, tmp_path / "run", "--masks", str(masks))
    before = psnr(capsys, run)
    assert psnr(capsys, run, "--images", home.rename(tmp_path / "moved")) == before


def test_masks_that_are_gone_are_missed_aloud(home: Path, tmp_path: Path, capsys: Said) -> None:
    run = trained(home, tmp_path / "run")
    before = psnr(capsys, run)
    masks = (home / "masks").rename(tmp_path / "elsewhere")
    for arguments in (["eval", run], ["train", "--resume", run, "--no-viewer"]):
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        said = capsys.readouterr().err
        assert f"The mask {home / 'masks' / MASKED}.png is gone." in said
        assert "--masks DIR" in said
    assert psnr(capsys, run, "--masks", masks) == before
    assert main(["train", "--resume", str(run), "--masks", str(masks), "--no-viewer", "--quiet"]) == 0
    (masks / f"{MASKED}.png").unlink()
    assert main(["eval", str(run), "--masks", str(masks)]) == 2
    assert "is gone" in capsys.readouterr().err


def test_a_run_goes_on_with_photos_and_masks_that_were_moved(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said
) -> None:
    whole = trained(home, tmp_path / "whole")
    with monkeypatch.context() as patch:
        interrupt_at(5, patch)
        assert main(["train", "--images", str(home), "--output", str(tmp_path / "run"), *SMALL]) == 130
    moved = home.rename(tmp_path / "moved")
    resume = ["train", "--resume", str(tmp_path / "run"), "--no-viewer", "--quiet"]
    assert main(resume) == 2
    assert "--images DIR" in capsys.readouterr().err
    assert main([*resume, "--images", str(moved)]) == 0
    found, expected = load_checkpoint(tmp_path / "run" / "checkpoint"), load_checkpoint(whole / "checkpoint")
    assert (found["model.blocks"] == expected["model.blocks"]).all()


def test_other_photos_under_the_old_names_are_not_taken_for_the_moved_ones(
    home: Path, tmp_path: Path, capsys: Said
) -> None:
    run = trained(home, tmp_path / "run")
    moved = home.rename(tmp_path / "moved")
    (moved / "room_01.png").write_bytes((moved / "room_02.png").read_bytes())
    assert main(["train", "--resume", str(run), "--images", str(moved), "--no-viewer"]) == 2
    assert f"The photos or masks in {moved} have changed" in capsys.readouterr().err


def test_a_mask_that_changed_is_not_mixed_into_a_run(home: Path, tmp_path: Path, capsys: Said) -> None:
    run = trained(home, tmp_path / "run")
    Image.new("L", (64, 48), 255).save(home / "masks" / f"{MASKED}.png")
    assert main(["train", "--resume", str(run), "--no-viewer"]) == 2
    assert "masks" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["eval", "depth", "features"])
def test_no_command_measures_or_learns_from_photos_that_changed(
    command: str, home: Path, tmp_path: Path, capsys: Said
) -> None:
    run = trained(home, tmp_path / "run")
    (home / "room_01.png").write_bytes((home / "room_02.png").read_bytes())
    output = ["--output", str(tmp_path / "out")] if command == "depth" else []
    assert main([command, str(run), *output]) == 2
    assert f"The photos or masks in {home} have changed" in capsys.readouterr().err
