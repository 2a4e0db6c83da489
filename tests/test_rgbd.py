"""Recordings of RGB-D cameras: where their photos were taken, and the depth that lies with them."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import SMALL, STEPS, Said, refusal, result
from recordings import write_map, write_record3d, write_scannet, write_tum
from room import Room

from recon.errors import InputError
from recon.io.depth_file import read_depth
from recon.io.posed import find_posed
from recon.io.rgbd import read_recording
from recon.io.scene import load_scene
from recon.priors.depth import depth_prior
from recon.priors.depth.known import known_depths
from recon.priors.depth.sensor import SensorDepth
from recon.types import DepthMap, Reconstruction, Scene

Write = Callable[[Room, Path], Path]
LAYOUTS = pytest.mark.parametrize("write", [write_tum, write_scannet, write_record3d])
ROUNDED = 1e-4
"""Metres and radians that six digits in a file, or a pose between two others, leave."""


@LAYOUTS
def test_photos_are_where_the_recording_says(room: Room, tmp_path: Path, write: Write) -> None:
    reconstruction, views = _read(write(room, tmp_path / "scan"))
    lost = 1 if write is write_scannet else 0
    assert len(reconstruction.views) == len(room.rgb) - lost
    for view, index in zip(reconstruction.views, views, strict=True):
        np.testing.assert_allclose(view.cam_from_input, room.cameras.cam_from_world[index], atol=ROUNDED)
        assert view.lens.params[:2] == pytest.approx(room.cameras.focal[index].tolist())
        assert view.lens.params[2:4] == pytest.approx(room.cameras.center[index].tolist())


@LAYOUTS
def test_points_lie_on_the_surfaces_that_were_measured(room: Room, tmp_path: Path, write: Write) -> None:
    points = _read(write(room, tmp_path / "scan"))[0].points
    assert len(points) > 1000
    walls = torch.tensor([[-2.0, -2.0, 0.0], [2.0, 2.0, 2.4]])
    cube = torch.tensor([[-0.4, -0.4, 0.0], [0.4, 0.4, 0.8]])
    off = [(points.xyz[:, None] - box).abs().amin(dim=(1, 2)) for box in (walls, cube)]
    away = torch.minimum(*off)
    assert float(away.median()) < 0.001
    assert float(away.quantile(0.95)) < 0.02  # at corners of walls; a pixel of the smaller maps is 7 cm wide


@LAYOUTS
def test_depth_is_in_the_units_of_the_poses(room: Room, tmp_path: Path, write: Write) -> None:
    folder = write(room, tmp_path / "scan")
    reconstruction, views = _read(folder)
    scene, maps = _depths(folder, reconstruction)
    for map, index in zip(maps, views, strict=True):
        assert isinstance(map, DepthMap)
        metres = map.depth * float(scene.input_from_world[0, 0])
        error = (metres / torch.from_numpy(room.depth[index]) - 1).abs()
        assert float(error.median()) < 0.001  # the step of the PNG at two metres is half of that
        assert float(map.known.float().mean()) > 0.99


def test_a_lost_pose_leaves_its_photo_out(room: Room, tmp_path: Path) -> None:
    left_out = _read(write_scannet(room, tmp_path / "scan"))[0].left_out
    assert [(item.name, "tracker was lost" in item.reason) for item in left_out] == [("color/2.jpg", True)]


def test_what_lacks_a_pose_is_named(room: Room, tmp_path: Path) -> None:
    scan = write_scannet(room, tmp_path / "scannet")
    (scan / "pose" / "1.txt").unlink()
    (scan / "pose" / "3.txt").write_text("1 0 0")
    reasons = {item.name: item.reason for item in _read(scan)[0].left_out}
    assert "no pose/1.txt" in reasons["color/1.jpg"]
    assert "3 numbers" in reasons["color/3.jpg"]
    tum = write_tum(room, tmp_path / "tum")
    rows = (tum / "groundtruth.txt").read_text().splitlines()
    (tum / "groundtruth.txt").write_text("\n".join([*rows[:3], f"nan {rows[3]}", *rows[5:]]))
    assert [item.name for item in _read(tum)[0].left_out] == ["rgb/1305031102.100000.png"]
    phone = write_record3d(room, tmp_path / "phone")
    metadata = json.loads((phone / "metadata.json").read_text())
    metadata["poses"] = metadata["poses"][:4]
    (phone / "metadata.json").write_text(json.dumps(metadata))
    assert [item.name for item in _read(phone)[0].left_out] == ["rgb/4.jpg", "rgb/5.jpg"]


def test_a_photo_without_depth_is_trained_on_without(room: Room, tmp_path: Path) -> None:
    folder = write_tum(room, tmp_path / "scan")
    sorted((folder / "depth").iterdir())[1].unlink()
    reconstruction, _ = _read(folder)
    assert len(reconstruction.views) == len(room.rgb)
    _, maps = _depths(folder, reconstruction)
    assert [isinstance(map, DepthMap) for map in maps] == [True, False, True, True, True, True]
    assert "rgb/1305031102.100000.png" in str(maps[1])


def test_maps_of_photos_posed_elsewhere_are_scaled(room: Room, tmp_path: Path) -> None:
    """Lengths of a model of their own are not metres."""
    folder = write_record3d(room, tmp_path / "scan")
    reconstruction, _ = _read(folder)
    assert _sensor(folder, reconstruction).posed
    view = reconstruction.views[0]
    view.cam_from_input[:3, 3] *= 2
    assert not _sensor(folder, reconstruction).posed


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("rgb.txt", "1305031102.1 /etc/passwd", "outside of it"),
        ("rgb.txt", "1305031102.1 ../photo.png", "outside of it"),
        ("depth.txt", "12 in 4", "none"),
        ("groundtruth.txt", "1 2 3", "3 words in line 1, not 8"),
        ("groundtruth.txt", "1 2 3 4 5 6 7 eight", "could not convert"),
        ("calibration.txt", "0 0 1 1", "holds no camera"),
        ("groundtruth.txt", None, "no groundtruth.txt"),
        ("calibration.txt", None, "Write fx fy cx cy"),
    ],
)
def test_broken_tables_are_named(room: Room, tmp_path: Path, file: str, content: str | None, said: str) -> None:
    folder = write_tum(room, tmp_path / "scan")
    (folder / file).unlink()
    if content is not None:
        (folder / file).write_text(content)
    if said == "none":
        assert len(_read(folder)[0].views) == len(room.rgb)
        return
    with pytest.raises(InputError, match=said):
        _read(folder)


@pytest.mark.parametrize("content", ["", "[1]", '{"w": 64, "h": 48}', '{"poses": [[1, 2]]}', '{"poses": "none"}'])
def test_broken_metadata_is_named(room: Room, tmp_path: Path, content: str) -> None:
    folder = write_record3d(room, tmp_path / "scan")
    (folder / "metadata.json").write_text(content)
    with pytest.raises(InputError, match=r"metadata\.json"):
        _read(folder)


def test_long_recordings_are_thinned_and_say_so(room: Room, tmp_path: Path) -> None:
    recording = read_recording(write_tum(room, tmp_path / "scan"))
    assert recording is not None
    thin = recording.thinned(4)
    assert [frame.name for frame in thin.frames] == [frame.name for frame in recording.frames][::2]
    assert str(thin).startswith("3 of 6 frames of a TUM recording")
    assert str(recording.thinned()).startswith("a TUM recording")


# --- OpenEXR ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 3, 100, 400])
def test_a_broken_exr_is_named(tmp_path: Path, kept: int, capsys: Said) -> None:
    write_map(tmp_path / "map.exr", np.ones((48, 64), np.float32))
    (tmp_path / "map.exr").write_bytes((tmp_path / "map.exr").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"map\.exr holds no depth map: it is no whole OpenEXR file"):
        read_depth(tmp_path / "map.exr")
    assert capsys.readouterr().out == ""


def test_without_its_package_exr_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_map(tmp_path / "map.exr", np.ones((4, 4), np.float32))
    monkeypatch.setitem(sys.modules, "OpenEXR", None)
    with pytest.raises(InputError, match=r"pip install -c constraints\.txt"):
        read_depth(tmp_path / "map.exr")


# --- The commands -----------------------------------------------------------------------------------------------------


def test_training_finds_poses_and_depth_by_itself(room: Room, tmp_path: Path, capsys: Said) -> None:
    folder, run = write_record3d(room, tmp_path / "scan"), tmp_path / "run"
    told = result(capsys, "train", "--images", folder, "--output", run, *SMALL)
    assert told["steps"] == STEPS
    names = [stage["name"] for stage in told["stages"]]
    assert "depth" in names
    assert "points" not in names  # they come from the depth
    first = json.loads((run / "metrics.jsonl").read_text().splitlines()[0])
    assert first["losses"]["depth"] > 0


def test_depth_of_a_recording_can_be_declined(room: Room, tmp_path: Path, capsys: Said) -> None:
    folder = write_tum(room, tmp_path / "scan")
    told = result(capsys, "train", "--images", folder, "--output", tmp_path / "run", "--depth", "none", *SMALL)
    assert "depth" not in [stage["name"] for stage in told["stages"]]


def test_depth_writes_the_maps_of_a_recording(room: Room, tmp_path: Path, capsys: Said) -> None:
    folder, out = write_tum(room, tmp_path / "scan"), tmp_path / "maps"
    told = result(capsys, "depth", folder, "--output", out)
    assert (told["method"], told["maps"]) == ("sensor", len(room.rgb))
    for photo, truth in zip(json.loads((out / "depth.json").read_text())["photos"], room.depth, strict=True):
        with np.load(out / photo["npz"]) as held:
            np.testing.assert_allclose(held["depth"], truth, atol=0.0002)  # a step of the PNG, 0.2 mm


def test_a_recording_without_poses_is_refused(room: Room, tmp_path: Path, capsys: Said) -> None:
    folder = write_tum(room, tmp_path / "scan")
    (folder / "groundtruth.txt").unlink()
    said = refusal(capsys, "train", "--images", folder, "--output", tmp_path / "run", *SMALL)
    assert "recon train --images" in said


def _read(folder: Path) -> tuple[Reconstruction, list[int]]:
    """The recording, and which of the room's views its photos are."""
    posed = find_posed(folder)
    assert posed is not None
    assert posed.kind == "rgb-d"
    reconstruction = posed.read()
    first = 1305031102.0
    stems = [float(view.path.stem) for view in reconstruction.views]
    return reconstruction, [round((stem - first) * 10) if stem >= first else int(stem) for stem in stems]


def _sensor(folder: Path, reconstruction: Reconstruction) -> SensorDepth:
    prior = depth_prior("sensor", reconstruction, source=folder)
    assert isinstance(prior, SensorDepth)
    return prior


def _depths(folder: Path, reconstruction: Reconstruction) -> tuple[Scene, list[DepthMap | InputError]]:
    scene = load_scene(reconstruction, image_size=64, hold_out=0)
    prior = _sensor(folder, reconstruction)
    return scene, list(known_depths(prior, scene, scene.train, lambda share, what: None))
