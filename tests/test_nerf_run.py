"""A radiance field's run from photos to everything that comes out of it, through the commands alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from painted_ball import RADIUS, ball_scene
from PIL import Image
from test_resume import assert_same_end, interrupt_at

from recon.cli.command import INTERRUPTED
from recon.cli.main import main
from recon.io.checkpoint import load_checkpoint
from recon.mesh.files import read_shape

STEPS = 150
DETAIL = ("--detail.levels", "4", "--detail.entries", "12", "--detail.finest", "64", "--detail.width", "16")
SMALL = ("nerf", "--samples", "2048", "--precision", "fp32", *DETAIL)
COARSE = ("--detail.occupancy", "16", "--detail.steps-across", "64")


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of the ball with alpha, and the poses they were painted from."""
    folder, scene = tmp_path_factory.mktemp("photos"), ball_scene()
    frames = []
    for index, name in enumerate(scene.names):
        picture = scene.images[index]
        assert picture.alpha is not None
        Image.fromarray(torch.cat([picture.rgb, picture.alpha[..., None]], dim=-1).numpy()).save(folder / name)
        world_from_cam = torch.linalg.inv(scene.cameras.cam_from_world[index].double())
        world_from_cam[:, 1:3] *= -1  # transforms.json has y up and z backward
        frames.append({"file_path": name, "transform_matrix": world_from_cam.tolist()})
    lens = {"fl_x": 32.0, "fl_y": 32.0, "cx": 16.0, "cy": 16.0, "w": 32, "h": 32}
    (folder / "transforms.json").write_text(json.dumps(lens | {"frames": frames}))
    return folder


def train(photos: Path, run: Path, *options: str) -> int:
    length = ("--steps", str(STEPS), "--no-viewer", "--quiet", "--hold-out", "8")
    return main(["train", "--images", str(photos), "--output", str(run), *length, *options, *SMALL, *COARSE])


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "ball"
    assert train(photos, folder) == 0
    return folder


def result(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    capsys.readouterr()
    assert main([*map(str, arguments), "--json", "--quiet"]) == 0
    return json.loads(capsys.readouterr().out)


def test_a_run_stopped_and_resumed_ends_like_one_that_was_not(
    photos: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupt_at(60, monkeypatch)
    assert train(photos, tmp_path / "run") == INTERRUPTED
    monkeypatch.undo()
    assert int(load_checkpoint(tmp_path / "run" / "checkpoint")["step"]) == 60
    assert main(["train", "--resume", str(tmp_path / "run"), "--no-viewer", "--quiet"]) == 0
    assert_same_end(tmp_path / "run", load_checkpoint(run / "checkpoint"))


def test_evaluation_scores_the_held_out_photos(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = result(capsys, "eval", run)
    assert len(told["views"]) == 4
    assert told["psnr"] > 14  # dB; white alone, which untrained fields show, is below 10


def test_an_orbit_shows_the_ball_in_the_middle(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import av

    result(capsys, "render", run, "--views", "orbit", "--output", tmp_path, "--seconds", "0.4", "--fps", "10")
    with av.open(str(tmp_path / "orbit.mp4")) as film:
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(frames) == 4
    for frame in frames:
        assert frame[12:20, 12:20].mean() < frame[:3, :3].mean() - 30  # the ball before white


@pytest.mark.parametrize("method", ["fusion", "density"])
def test_meshes_are_as_large_as_the_ball(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], method: str
) -> None:
    path, voxel = tmp_path / "mesh.ply", ("--mesh.voxel", "0.03")
    result(capsys, "export", run, "--to", path, "--mesh.method", method, *voxel)
    radius = np.linalg.norm(read_shape(path).vertices, axis=1)
    assert abs(np.median(radius) / RADIUS - 1) < 0.3  # 150 steps of a tiny field leave it soft: depth is a mean over it


def test_clouds_and_depth_maps_come_out(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = result(capsys, "export", run, "--to", tmp_path / "cloud.ply", tmp_path / "depth.npz")
    assert told["files"][0]["points"] > 100
    with np.load(tmp_path / "depth.npz") as maps:
        middle = maps["ball_00.png"][14:18, 14:18]
    assert np.abs(middle[middle > 0] - (1 - RADIUS)).mean() < 0.15  # the same


def test_splats_of_a_field_are_refused_with_advice(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", str(run), "--to", str(tmp_path / "scene.spz")]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
