"""Depth from posed photos alone: how right it is, where it says nothing, and what it refuses."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from room import Room, make_room

from recon.errors import InputError
from recon.priors.depth.stereo import StereoDepth
from recon.priors.depth.stereo.agreement import agreement
from recon.priors.depth.stereo.neighbours import neighbours_of
from recon.priors.protocols import DepthPrior
from recon.priors.scores import score_depth
from recon.types import Points, Scene

VIEWS = (0, 1, 2, 3, 4)


@pytest.fixture(scope="module")
def room() -> Room:
    """The room from cameras ten degrees apart."""
    return make_room(views=36, width=96, height=72)


def test_stereo_finds_the_rooms_surfaces(room: Room) -> None:
    prior = StereoDepth(neighbours=4, smallest=48)
    assert isinstance(prior, DepthPrior)
    maps = list(prior.predict(room.scene(), VIEWS, _quiet))
    scores = [score_depth(map, torch.from_numpy(room.depth[view])) for view, map in zip(VIEWS, maps, strict=True)]
    middle = scores[2]
    assert middle is not None
    assert middle.median_rel < 0.01
    assert middle.delta_1 > 0.97
    assert middle.covered > 0.3  # tiles are of one colour, so only their edges can be found


def test_the_same_photos_give_the_same_depth(room: Room) -> None:
    prior = StereoDepth(neighbours=2, smallest=48, rounds=0)
    first, second = (list(prior.predict(room.scene(), VIEWS[:3], _quiet)) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.inverse, other.inverse)
        assert torch.equal(one.confidence, other.confidence)


def test_what_is_held_out_is_not_looked_at(room: Room) -> None:
    scene = room.scene()
    looked: list[int] = []

    class Watched:
        def __len__(self) -> int:
            return len(scene)

        def __getitem__(self, index: int):
            looked.append(index)
            return scene.images[index]

    list(StereoDepth(rounds=0, smallest=96).predict(replace(scene, images=Watched()), (1, 3), _quiet))
    assert set(looked) == {1, 3}


def test_one_photo_has_no_stereo(room: Room) -> None:
    with pytest.raises(InputError, match="there is 1"):
        next(StereoDepth().predict(room.scene(), (1,), _quiet))


def test_photos_smaller_than_a_patch_are_refused() -> None:
    tiny = make_room(views=3, width=12, height=8, points=100)
    with pytest.raises(InputError, match=r"room_01\.png has 12 x 8 pixels; patches of 9"):
        next(StereoDepth().predict(tiny.scene(), (1, 2), _quiet))


def test_photos_that_share_no_points_are_refused(room: Room) -> None:
    scene = room.scene()
    nothing = replace(scene, points=Points(scene.points.xyz[:0], scene.points.rgb[:0]))
    with pytest.raises(InputError, match="No two photos see the same points"):
        next(StereoDepth().predict(nothing, VIEWS, _quiet))


def test_pixels_outside_the_subject_have_no_depth(room: Room) -> None:
    scene = _with_mask(room.scene())
    maps = list(StereoDepth(neighbours=2, smallest=48, rounds=0).predict(scene, VIEWS[:3], _quiet))
    assert all(not bool(map.known[:36].any()) for map in maps)
    assert any(bool(map.known[36:].any()) for map in maps)


def test_neighbours_see_the_same_from_nearby(room: Room) -> None:
    chosen = neighbours_of(10, room.cameras, room.points, range(36), 4)
    assert len(chosen) == 4
    assert 10 not in chosen
    assert all(1 <= abs(view - 10) <= 5 for view in chosen)


def test_true_depths_agree_and_wrong_ones_do_not(room: Room) -> None:
    truth = 1 / torch.from_numpy(room.depth)
    others = [(room.cameras[view], truth[view]) for view in (1, 3)]
    right = agreement(room.cameras[2], truth[2], others, pixels=1.0, share=0.02)
    # A quarter of the photo lies outside one of its neighbours.
    assert float((right.count == 2).float().mean()) > 0.65
    assert float((right.inverse / truth[2] - 1).abs().median()) < 0.005
    wrong = agreement(room.cameras[2], truth[2] * 1.1, others, pixels=1.0, share=0.02)
    assert float((wrong.count > 0).float().mean()) < 0.1


def _with_mask(scene: Scene) -> Scene:
    mask = torch.full((72, 96), 255, dtype=torch.uint8)
    mask[:36] = 0
    images = [replace(scene.images[index], mask=mask) for index in range(len(scene))]
    return replace(scene, images=images)


def _quiet(share: float, what: str) -> None:
    pass
