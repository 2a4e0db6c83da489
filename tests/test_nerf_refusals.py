"""`recon train ... nerf` of odd photos: it trains, or ends with code 2 and a sentence that says why not."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import Said, refusal, result
from PIL import Image
from room import Room

from recon.io.checkpoint import load_checkpoint

DETAIL = ("--detail.levels", "4", "--detail.entries", "12", "--detail.finest", "64", "--detail.width", "16")
NERF = ("nerf", "--samples", "1024", "--precision", "fp32", *DETAIL, "--detail.steps-across", "64")
SHORT = ("--steps", "12", "--no-viewer", "--quiet", "--hold-out", "3")


@pytest.fixture
def photos(room: Room, tmp_path: Path) -> Path:
    """The room's six photos with poses, to be changed."""
    return room.write_posed_photos(tmp_path / "photos")


def change(photos: Path, matrices: list[np.ndarray]) -> None:
    """Other poses, as many photos as there are."""
    file = photos / "transforms.json"
    known = json.loads(file.read_text())
    frames = known["frames"][: len(matrices)]
    for frame, matrix in zip(frames, matrices, strict=True):
        frame["transform_matrix"] = matrix.tolist()
    file.write_text(json.dumps(known | {"frames": frames}))


def poses(photos: Path) -> list[np.ndarray]:
    return [np.array(f["transform_matrix"]) for f in json.loads((photos / "transforms.json").read_text())["frames"]]


def trained(said: Said, photos: Path, run: Path) -> None:
    """It trains, measures and keeps a model without a number that is none."""
    told = result(said, "train", "--images", photos, "--output", run, *SHORT, *NERF)
    assert told["steps"] == 12
    assert told["psnr"] is None or math.isfinite(told["psnr"])
    held = load_checkpoint(run / "checkpoint")
    tensors = [value for value in held.values() if isinstance(value, torch.Tensor)]
    assert len(tensors) > 5
    assert all(bool(torch.isfinite(value).all()) for value in tensors)


def test_cameras_that_all_face_outwards(photos: Path, tmp_path: Path, capsys: Said) -> None:
    turn = np.diag([-1.0, 1.0, -1.0, 1.0])
    change(photos, [pose @ turn for pose in poses(photos)])
    trained(capsys, photos, tmp_path / "run")


def test_cameras_that_share_one_centre(photos: Path, tmp_path: Path, capsys: Said) -> None:
    still = poses(photos)
    for pose in still:
        pose[:3, 3] = (0.3, -0.2, 1.0)
    change(photos, still)
    trained(capsys, photos, tmp_path / "run")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_photos(photos: Path, tmp_path: Path, capsys: Said, count: int) -> None:
    change(photos, poses(photos)[:count])
    trained(capsys, photos, tmp_path / "run")


def test_photos_of_different_sizes(room: Room, photos: Path, tmp_path: Path, capsys: Said) -> None:
    file = photos / "transforms.json"
    known = json.loads(file.read_text())
    lens = {name: known.pop(name) for name in ("fl_x", "fl_y", "cx", "cy", "w", "h")}
    for index, frame in enumerate(known["frames"]):
        part = 1 + index % 3
        frame |= {name: value // part if name in "wh" else value / part for name, value in lens.items()}
        with Image.open(photos / frame["file_path"]) as photo:
            small = photo.resize((frame["w"], frame["h"]))
        small.save(photos / frame["file_path"])
    file.write_text(json.dumps(known))
    trained(capsys, photos, tmp_path / "run")


def test_a_near_plane_beyond_the_scene(photos: Path, tmp_path: Path, capsys: Said) -> None:
    said = refusal(capsys, "train", "--images", photos, "--output", tmp_path / "run", *SHORT, *NERF, "--near", "1000")
    assert "The near plane at 1000 lies beyond the scene" in said
    assert "--near" in said
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_a_loss_that_is_never_finite_ends_the_run(
    photos: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recon.models.nerf.model.colour_loss", lambda *_: torch.tensor(math.nan))
    said = refusal(capsys, "train", "--images", photos, "--output", tmp_path / "run", *SHORT, *NERF)
    assert "10 steps in a row" in said
    assert "--seed" in said
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_losses_that_are_not_finite_now_and_then_are_skipped_and_counted(
    photos: Path, tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.models.rays import target

    calls = iter(range(1000))
    loss = target.colour_loss

    def seldom_finite(*arguments):
        return loss(*arguments) * (math.inf if next(calls) % 6 == 3 else 1)

    monkeypatch.setattr("recon.models.nerf.model.colour_loss", seldom_finite)
    trained(capsys, photos, tmp_path / "run")
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").read_text().splitlines()]
    assert records[-1]["skipped"] >= 2
