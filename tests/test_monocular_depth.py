"""Recon's own depth network, and the recipe that made it: rendered scenes, loss, training, judgement."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from room import InMemory, Room
from torch import Tensor

from recon.errors import InputError
from recon.priors.depth import depth_prior
from recon.priors.depth.monocular.network import DepthNetwork
from recon.priors.depth.monocular.prior import SCORE_CARD, WEIGHTS, MonocularDepth, load_depth_network
from recon.priors.depth.monocular.recipe.held_out import HELD_OUT_LAYOUTS
from recon.priors.depth.monocular.recipe.judged import rendered
from recon.priors.depth.monocular.recipe.layouts import LAYOUTS, training_world
from recon.priors.depth.monocular.recipe.loss import depth_loss
from recon.priors.depth.monocular.recipe.photography import Studio
from recon.priors.depth.monocular.recipe.scenes import photograph_world, render_split
from recon.priors.depth.monocular.recipe.scoring import plane_error, relative_error, score
from recon.priors.depth.monocular.recipe.shapes import HELD_OUT_THINGS, THINGS, box
from recon.priors.depth.monocular.recipe.textures import HELD_OUT_PATTERNS, PATTERNS
from recon.priors.depth.monocular.recipe.training import train
from recon.priors.depth.monocular.recipe.world import Stand, World
from recon.priors.depth.monocular.spreading import spread
from recon.priors.protocols import DepthPrior
from recon.types import Picture, Points, Reconstruction


def test_the_network_is_small() -> None:
    assert sum(value.numel() for value in DepthNetwork().parameters()) < 3_000_000
    assert WEIGHTS.stat().st_size < 10_000_000


def test_held_out_scenes_are_half_as_wrong_as_a_plane_at_most(tmp_path: Path) -> None:
    scores = score(rendered(tmp_path, "test", 2), load_depth_network(WEIGHTS))
    assert scores["pictures"] >= 8
    assert scores["network_with_points"] < 0.5 * scores["plane"]


def test_the_score_card_is_that_of_the_network() -> None:
    card = json.loads(SCORE_CARD.read_text())
    assert card["parameters"] == sum(value.numel() for value in DepthNetwork().parameters())
    held_out = card["held_out_worlds"]
    assert held_out["network_with_points"] < 0.5 * held_out["plane"]
    assert held_out["network"] < held_out["plane"]


def test_every_photo_gets_a_map_with_and_without_points(room: Room) -> None:
    prior = depth_prior("monocular", Reconstruction((), room.points))
    assert isinstance(prior, DepthPrior)
    scene = room.scene()
    maps = list(prior.predict(scene, [0, 3], _silent))
    bare = replace(scene, points=Points(room.points.xyz[:0], room.points.rgb[:0]))
    (without,) = prior.predict(bare, [0], _silent)
    assert [tuple(map.inverse.shape) for map in (*maps, without)] == [(48, 64)] * 3
    assert {map.kind for map in (*maps, without)} == {"relative"}
    assert not torch.equal(maps[0].inverse, without.inverse)


def test_points_make_the_room_right(room: Room) -> None:
    (map,) = MonocularDepth().predict(room.scene(), [1], _silent)
    truth = 1 / torch.from_numpy(room.depth[1])
    assert relative_error(map.inverse, truth) < 0.5 * plane_error(truth)


def test_units_and_origin_of_sparse_depth_do_not_matter() -> None:
    net, rgb = load_depth_network(WEIGHTS), torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    known = (torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(1)) < 0.05).float()
    sparse = known * torch.rand(1, 1, 64, 96, generator=torch.Generator().manual_seed(2))
    with torch.inference_mode():
        once, again = net(rgb, sparse, known), net(rgb, known * (7 * sparse + 3), known)
    torch.testing.assert_close(again, once, rtol=0, atol=1e-3)  # float32, through thirty layers


def test_photos_that_are_too_small_are_named(room: Room) -> None:
    pictures = (Picture(torch.zeros(20, 64, 3, dtype=torch.uint8)),)
    with pytest.raises(InputError, match=r"room_00\.png has 64 x 20 pixels"):
        list(MonocularDepth().predict(replace(room.scene(), images=InMemory(pictures)), [0], _silent))


def test_other_weights_are_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        MonocularDepth(path)
    path.write_bytes(WEIGHTS.read_bytes()[:5000])
    with pytest.raises(InputError, match=r"weights\.safetensors"):
        MonocularDepth(path)


def test_points_on_a_plane_spread_to_that_plane_but_for_wrong_ones() -> None:
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(60.0), indexing="ij")
    plane = 0.3 + 0.01 * columns + 0.005 * rows
    known = (torch.rand(40, 60, generator=torch.Generator().manual_seed(0)) < 0.06).float()
    wrong = known * (torch.rand(40, 60, generator=torch.Generator().manual_seed(1)) < 0.05)
    rgb = torch.full((1, 3, 40, 60), 0.5)
    found = spread((known * plane + 2 * wrong)[None, None], known[None, None], rgb)[0, 0]
    inside = found[4:-4, 4:-4] - plane[4:-4, 4:-4]
    assert wrong.sum() >= 4
    assert float(inside.abs().median()) < 0.005  # of 0.8 from corner to corner; slopes are a little flattened
    assert float((inside.abs() < 0.05).float().mean()) > 0.95  # one in fifteen points is wrong


def test_an_edge_of_colour_between_points_is_one_of_depth() -> None:
    left = torch.arange(60) < 30
    truth = torch.where(left, 1.0, 0.2).expand(40, 60)
    rgb = torch.where(left, 0.8, 0.2).expand(1, 3, 40, 60)
    known = torch.zeros(40, 60)
    known[3::9, 2::9] = 1
    found = spread((known * truth)[None, None], known[None, None], rgb.contiguous())[0, 0]
    sharp = (found - truth).abs()
    sharp[:, 29:33] = 0  # where colours are softened, and no point is near
    assert float(sharp.max()) < 0.1


def test_spread_points_stay_in_their_range_and_none_are_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    known = (torch.rand(2, 1, 37, 50, generator=generator) < 0.03).float()
    values, rgb = torch.rand(2, 1, 37, 50, generator=generator), torch.rand(2, 3, 37, 50, generator=generator)
    found = spread(values * known, known, rgb)
    for k in range(2):
        inside = values[k][known[k] > 0]
        assert float(inside.min()) <= float(found[k].min()) <= float(found[k].max()) <= float(inside.max())
    assert float(spread(values, torch.zeros_like(known), rgb).abs().max()) == 0
    one = torch.zeros_like(known)
    one[..., 5, 7] = 1
    torch.testing.assert_close(spread(3 * one, one, rgb), torch.full_like(known, 3.0))


def test_a_rendered_floor_lies_where_geometry_says() -> None:
    world = World(np.random.default_rng(0), THINGS, PATTERNS)
    world.put(box(200.0, 200.0, 0.1), (0, 0, -0.1))
    world.light_outside()
    stand = Stand(np.array([0.0, 0.0, 1.5]), np.array([0.0, 6.0, 0.0]))
    shot = Studio(world).photograph(stand, width=96, height=64, focal=80.0)
    assert (shot.rgb.shape, shot.inverse.shape) == ((64, 96, 3), (64, 96))
    # The inverse depth of a plane is linear in the picture.
    rows, columns = np.mgrid[:64, :96]
    seen = shot.inverse > 1 / 90
    design = np.stack([rows[seen], columns[seen], np.ones(seen.sum())], -1)
    solved, *_ = np.linalg.lstsq(design, shot.inverse[seen], rcond=None)
    assert np.abs(design @ solved - shot.inverse[seen]).max() < 1e-5  # float32 of metres
    centre = solved @ [31.5, 47.5, 1]
    assert centre == pytest.approx(1 / np.hypot(6, 1.5), rel=1e-3)  # the camera looks at that place on the floor


def test_worlds_are_the_same_every_time_and_differ_by_number() -> None:
    first, again, other = (photograph_world(training_world(seed)) for seed in (3, 3, 10))
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(first, again, strict=True))
    assert first[0].rgb.shape != other[0].rgb.shape or not np.array_equal(first[0].rgb, other[0].rgb)


def test_held_out_worlds_share_no_layout_with_training_and_bring_their_own_things() -> None:
    assert not set(LAYOUTS) & set(HELD_OUT_LAYOUTS)
    assert not set(THINGS) & set(HELD_OUT_THINGS)
    assert not set(PATTERNS) & set(HELD_OUT_PATTERNS)


def test_the_loss_knows_neither_scale_nor_shift() -> None:
    truth = torch.rand(2, 1, 32, 48, generator=torch.Generator().manual_seed(0)) + 0.1
    assert float(depth_loss(5 * truth - 2, truth)) < 1e-4
    assert float(depth_loss(-truth, truth)) > 1


def test_errors_are_those_of_brute_force() -> None:
    truth = torch.rand(40, 50, generator=torch.Generator().manual_seed(0)).double() + 0.2
    assert relative_error(3 * truth - 0.4, truth) < 1e-6
    planes = torch.linspace(0.2, 1.2, 4001, dtype=torch.float64)
    least = min(float((truth / plane - 1).abs().mean()) for plane in planes)
    assert plane_error(truth) == pytest.approx(least, abs=1e-4)  # steps of 1/4000


def test_training_ends_in_time_and_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    assert len(list(render_split(tmp_path, "train", 2))) == 2
    checkpoint = tmp_path / "checkpoint.pt"
    state = train(tmp_path, checkpoint, minutes=0.01, batch=2)
    assert state.step >= 1
    assert state.share == 1
    again = train(tmp_path, checkpoint, minutes=0.01, batch=2)
    assert again.step == state.step
    assert _same(again.averaged, state.averaged)


def _same(some: dict[str, Tensor], others: dict[str, Tensor]) -> bool:
    return all(torch.equal(some[name], others[name]) for name in some)


def _silent(done: float, what: str) -> None: ...
