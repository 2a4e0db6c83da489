"""Depth that radiance fields are told: of sparse points and of maps."""

from dataclasses import replace

import pytest
import torch
from painted_ball import ball_scene
from small_fields import SMALL, start

from recon.errors import InputError
from recon.models.nerf.guidance import Sightings
from recon.training import TrainConfig, train
from recon.types import Scene


@pytest.fixture(scope="module")
def ball() -> Scene:
    return ball_scene()


def off_by(room, scene: Scene) -> float:
    """Median error of the learnt depth of a training view, as a share of the depth."""
    config = replace(SMALL, losses=replace(SMALL.losses, depth=0.0 if scene.points.error is None else 1.0))
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
    assert float(sightings.weight.sort().values[: len(sightings.weight) // 4].max()) < 0.05
    assert 0.9 < float(sightings.weight.max()) <= 1


def test_sightings_are_where_their_points_are(room):
    scene = room.scene()
    sightings = Sightings.of(replace(scene, points=replace(scene.points, error=torch.ones(len(scene.points)))))
    guidance = sightings.draw(200, torch.Generator().manual_seed(1))
    ends = guidance.rays.origins + guidance.distance[:, None] * guidance.rays.directions
    nearest = torch.cdist(ends, scene.points.xyz).min(dim=1).values
    assert float(nearest.max()) < 0.05  # half a pixel at the far wall
    assert set(sightings.view.tolist()) == set(scene.train)


def test_depth_of_points_that_no_photo_showed_is_refused(ball):
    config = replace(SMALL, losses=replace(SMALL.losses, depth=0.01))
    state = start(ball, config, steps=2)
    with pytest.raises(InputError, match=r"--losses\.depth needs points"):
        list(train(state, ball, TrainConfig(steps=2)))
