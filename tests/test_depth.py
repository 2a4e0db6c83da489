"""Depth maps of photos: what they are aligned to, how they are judged, and what a sensor's files give."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from room import Room

from recon.errors import InputError
from recon.priors.alignment import aligned, fit
from recon.priors.depth import depth_prior
from recon.priors.protocols import DepthMap, DepthPrior
from recon.priors.scores import score_at_points, score_depth
from recon.sparse import sparse_depth
from recon.types import Lens, Points, Reconstruction, Scene, View


def test_relative_depth_gets_its_scale_and_shift_from_sparse_points(room: Room) -> None:
    truth = torch.from_numpy(room.depth[1])
    relative = DepthMap((1 / truth - 0.1) / 3, torch.ones_like(truth), "relative")
    map = aligned(relative, sparse_depth(room.points, room.cameras[1]), name="a photo")
    scores = score_depth(map, truth)
    assert scores is not None
    # Sparse points are compared with the centre of the pixel they fall into: half a pixel of a slanted wall.
    assert scores.median_rel < 0.005
    assert scores.delta_1 > 0.999


def test_a_third_of_wrong_points_does_not_move_the_fit() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.rand(300, generator=generator) + 0.2
    y = 2.0 * x + 0.3
    y[:100] *= 1.5 + torch.rand(100, generator=generator)
    scale, shift = fit(x, y, shifted=True)
    assert (scale, shift) == pytest.approx((2.0, 0.3), abs=1e-4)


def test_metric_depth_gets_a_scale_and_no_shift() -> None:
    x = torch.linspace(0.1, 2, 50)
    assert fit(x, 0.5 * x, shifted=False) == pytest.approx((0.5, 0.0))


def test_depth_of_the_scene_stays(room: Room) -> None:
    truth = torch.from_numpy(room.depth[1])
    map = DepthMap(1 / truth, torch.ones_like(truth), "scene")
    assert aligned(map, sparse_depth(room.points, room.cameras[1]), name="a photo") is map


def test_too_few_points_to_scale_by_are_named(room: Room) -> None:
    map = DepthMap(torch.ones(48, 64), torch.ones(48, 64), "relative")
    few = Points(room.points.xyz[:0], room.points.rgb[:0])
    with pytest.raises(InputError, match=r"room_01\.png shows 0 sparse points"):
        aligned(map, sparse_depth(few, room.cameras[1]), name="room_01.png")


def test_points_behind_others_are_not_taken_for_seen(room: Room) -> None:
    for view in range(1, 4):
        seen = sparse_depth(room.points, room.cameras[view])
        truth = torch.from_numpy(room.depth[view])[seen.row, seen.column]
        assert len(seen) > 100
        assert (
            float((1 / seen.inverse > 1.2 * truth).float().mean()) < 0.1
        )  # a quarter of all are hidden; at edges of the cube, cells see both


def test_scores_are_those_of_a_map_ten_percent_too_far(room: Room) -> None:
    truth = torch.from_numpy(room.depth[0])
    confidence = torch.ones_like(truth)
    confidence[:12] = 0
    scores = score_depth(DepthMap(1 / (1.1 * truth), confidence, "scene"), truth)
    assert scores is not None
    assert (scores.abs_rel, scores.median_rel) == pytest.approx((0.1, 0.1), abs=1e-5)
    assert (scores.delta_1, scores.covered, scores.count) == (1.0, 0.75, 36 * 64)


def test_nothing_known_has_no_scores(room: Room) -> None:
    map = DepthMap(torch.zeros(48, 64), torch.zeros(48, 64), "scene")
    assert score_at_points(map, sparse_depth(room.points, room.cameras[0])) is None


# --- A sensor's files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [".png", ".npz"])
def test_a_sensors_maps_are_read_by_the_names_of_photos(room: Room, tmp_path: Path, ending: str) -> None:
    scene = room.scene()
    for name, depth in zip(room.names, room.depth, strict=True):
        _write(tmp_path / f"{Path(name).stem}{ending}", depth)
    prior = depth_prior("sensor", _reconstruction(scene), source=tmp_path)
    assert isinstance(prior, DepthPrior)
    maps = list(prior.predict(scene, scene.train, lambda share, what: None))
    assert len(maps) == len(scene.train)
    for view, map in zip(scene.train, maps, strict=True):
        assert map.kind == "metric"
        error = (map.depth - torch.from_numpy(room.depth[view])).abs()
        assert float(error.max()) <= 0.00051  # half a millimetre, the step of the PNG


def test_a_photo_without_a_map_is_named(room: Room, tmp_path: Path) -> None:
    scene = room.scene()
    prior = depth_prior("sensor", _reconstruction(scene), source=tmp_path)
    with pytest.raises(InputError, match=r"no depth map of room_01\.png"):
        next(prior.predict(scene, scene.train, lambda share, what: None))


def test_a_map_of_another_shape_is_refused(room: Room, tmp_path: Path) -> None:
    scene = room.scene()
    _write(tmp_path / "room_01.npz", room.depth[1][:, :40])
    prior = depth_prior("sensor", _reconstruction(scene), source=tmp_path)
    with pytest.raises(InputError, match="40 x 48 pixels, and its photo 64 x 48"):
        next(prior.predict(scene, [1], lambda share, what: None))


@pytest.mark.parametrize("content", [b"", b"not a picture"])
@pytest.mark.parametrize("ending", [".png", ".npz", ".npy"])
def test_a_broken_map_is_named(room: Room, tmp_path: Path, ending: str, content: bytes) -> None:
    scene = room.scene()
    (tmp_path / f"room_01{ending}").write_bytes(content)
    prior = depth_prior("sensor", _reconstruction(scene), source=tmp_path)
    with pytest.raises(InputError, match=f"room_01{ending} holds no depth map"):
        next(prior.predict(scene, [1], lambda share, what: None))


def test_a_colour_picture_is_no_depth_map(room: Room, tmp_path: Path) -> None:
    scene = room.scene()
    Image.fromarray(room.rgb[1]).save(tmp_path / "room_01.png")
    prior = depth_prior("sensor", _reconstruction(scene), source=tmp_path)
    with pytest.raises(InputError, match="RGB, not 16-bit gray"):
        next(prior.predict(scene, [1], lambda share, what: None))


def test_a_sensor_needs_a_folder(room: Room) -> None:
    with pytest.raises(InputError, match="does not know where"):
        depth_prior("sensor", _reconstruction(room.scene()))


def _write(path: Path, depth: np.ndarray) -> None:
    if path.suffix == ".png":
        Image.fromarray((depth * 1000).round().astype(np.uint16)).save(path)
    else:
        np.savez(path, depth=depth)


def _reconstruction(scene: Scene) -> Reconstruction:
    views = []
    for index, name in enumerate(scene.names):
        camera = scene.cameras[index]
        size = (int(camera.width), int(camera.height))
        lens = Lens("PINHOLE", *size, (*camera.focal.tolist(), *camera.center.tolist()))
        views.append(View(name, Path(name), lens, camera.cam_from_world.double().numpy()))
    return replace(Reconstruction((), scene.points), views=tuple(views))
