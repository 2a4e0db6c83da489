"""Depth that radiance fields are told: of sparse points and of maps."""

from dataclasses import replace

import pytest
import torch
from painted_ball import ball_scene
from room import CUBE, ROOM
from small_fields import SMALL, start

from recon.models.nerf.guidance import Sightings
from recon.training import TrainConfig, train
from recon.types import DepthMap, Scene


@pytest.fixture(scope="module")
def ball() -> Scene:
    return ball_scene()


def off_by(room, scene: Scene) -> float:
    """Median error of the learnt depth of a training view, as a share of the depth."""
    config = replace(SMALL, losses=replace(SMALL.losses, depth=1.0))
    state = start(scene, config, steps=60)
    list(train(state, scene, TrainConfig(steps=60)))
    depth = state.model.render(scene.cameras[1]).depth
    assert depth is not None
    truth = torch.from_numpy(room.depth[1])
    return float(((depth - truth) / truth).abs().median())


def test_points_of_known_error_teach_depth(room):
    scene = room.scene()
    known = replace(scene.points, error=torch.rand(len(scene.points), generator=torch.Generator().manual_seed(0)))
    assert off_by(room, replace(scene, points=known)) < 0.7 * off_by(room, scene)


def test_points_far_beside_where_photos_show_them_are_not_believed(room):
    """Half of the points are far too near, and their error says that they fit badly."""
    scene = room.scene()
    wrong = torch.rand(len(scene.points), generator=torch.Generator().manual_seed(0)) < 0.5
    error = torch.where(wrong, 40.0, 0.2)
    sightings = Sightings.of(replace(scene, points=replace(scene.points, error=error)))
    assert sightings is not None
    assert float(sightings.weight.sort().values[: len(sightings.weight) // 4].max()) < 0.05
    assert 0.9 < float(sightings.weight.max()) <= 1


def test_sightings_are_where_their_points_are(room):
    scene = room.scene()
    sightings = Sightings.of(replace(scene, points=replace(scene.points, error=torch.ones(len(scene.points)))))
    assert sightings is not None
    guidance = sightings.draw(200, torch.Generator().manual_seed(1))
    ends = guidance.rays.origins + guidance.distance[:, None] * guidance.rays.directions
    nearest = torch.cdist(ends, scene.points.xyz).min(dim=1).values
    assert float(nearest.max()) < 0.05  # half a pixel at the far wall
    assert set(sightings.view.tolist()) == set(scene.train)


def test_nothing_is_known_of_points_that_no_photo_showed(ball):
    assert Sightings.of(ball) is None
    state = start(ball, SMALL, steps=2)
    assert ["depth" in report.losses for report in train(state, ball, TrainConfig(steps=2))] == [False, False]


def known_walls(room, scene: Scene) -> Scene:
    """With the true depth of the left halves of its training photos."""
    depth = torch.from_numpy(room.depth)
    sure = torch.zeros(depth.shape[1:])
    sure[:, : sure.shape[1] // 2] = 1.0
    return replace(scene, depths={view: DepthMap(1 / depth[view], sure, "scene") for view in scene.train})


def test_maps_teach_depth_and_points_then_do_not(room):
    scene = room.scene()
    assert off_by(room, known_walls(room, scene)) < 0.7 * off_by(room, scene)
    points = replace(scene.points, error=torch.ones(len(scene.points)))
    both = Sightings.of(known_walls(room, replace(scene, points=points)))
    assert both is not None
    assert float(both.pixel[:, 0].max()) < 32  # the points are everywhere


def test_pixels_of_maps_are_where_the_photo_shows_them(room):
    scene = room.scene()
    sightings = Sightings.of(known_walls(room, scene))
    assert sightings is not None
    assert len(sightings.depth) == 5 * 48 * 32
    guidance = sightings.draw(300, torch.Generator().manual_seed(1))
    ends = guidance.rays.origins + guidance.distance[:, None] * guidance.rays.directions
    low, high = (torch.from_numpy(corner).float() for corner in ROOM)
    of_walls = torch.minimum((ends - low).abs(), (ends - high).abs()).amin(dim=-1)
    cube_low, cube_high = (torch.from_numpy(corner).float() for corner in CUBE)
    of_cube = torch.minimum((ends - cube_low).abs(), (ends - cube_high).abs()).amin(dim=-1)
    assert float(torch.minimum(of_walls, of_cube).max()) < 1e-4  # metres, of float32


def test_weights_are_confidences(room):
    scene = room.scene()
    depth = torch.from_numpy(room.depth[1])
    doubted = replace(scene, depths={1: DepthMap(1 / depth, torch.full_like(depth, 0.25), "scene")})
    sightings = Sightings.of(doubted)
    assert sightings is not None
    assert set(sightings.view.tolist()) == {1}
    assert bool((sightings.weight == 0.25).all())


def test_points_say_nothing_of_a_thing_cut_out_of_its_background(ball):
    """Measured on a boat with rigging: held to its points, it lost five decibels."""
    known = replace(ball, points=replace(ball.points, error=torch.ones(len(ball.points))))
    assert Sightings.of(known) is None
    assert Sightings.of(replace(known, transparent=False)) is not None


def test_depth_weighs_less_and_less_until_half_of_training_is_over(room):
    scene = known_walls(room, room.scene())
    state = start(scene, SMALL, steps=12)
    told = [report.losses.get("depth") for report in train(state, scene, TrainConfig(steps=12))]
    assert all(loss is not None for loss in told[:6])
    assert told[6:] == [None] * 6
