"""Odd scenes and impossible options: radiance fields train, or say why not."""

import math
from dataclasses import replace

import pytest
import torch
from painted_ball import ball_scene
from small_fields import MODELS, start

from recon.errors import InputError, RunError
from recon.models import ClassicNerfConfig, GaussianConfig, NerfConfig, build_model
from recon.models.classic import ClassicNerfModel
from recon.models.nerf import Detail, LossWeights, NerfModel
from recon.training import TrainConfig, train
from recon.types import Cameras, Scene


@pytest.fixture(scope="module")
def ball() -> Scene:
    return ball_scene()


def turned(scene: Scene, cam_from_world: torch.Tensor) -> Scene:
    return replace(scene, cameras=replace(scene.cameras, cam_from_world=cam_from_world))


@MODELS
@pytest.mark.parametrize("case", ["outwards", "one centre", "one view", "different sizes"])
def test_odd_scenes_train_without_a_fault(room, config, case):
    scene = room.scene()
    poses = scene.cameras.cam_from_world.clone()
    match case:
        case "outwards":
            poses[:, [0, 2], :] *= -1
        case "one centre":
            poses[:, :3, 3] = 0
        case "one view":
            scene = replace(scene, train=(2,))
        case "different sizes":
            cameras = scene.cameras.resized(64)
            sizes = torch.tensor([64, 32, 64, 32, 48, 64])
            parts = [cameras[i].resized(int(size)) for i, size in enumerate(sizes)]
            stacked = [torch.stack([getattr(p, name) for p in parts]) for name in Cameras.__dataclass_fields__]
            from recon.sampling import shrink

            photos = [
                shrink(scene.images[i], width=int(part.width), height=int(part.height)) for i, part in enumerate(parts)
            ]
            scene = replace(scene, cameras=Cameras(*stacked), images=type(scene.images)(tuple(photos)))
            poses = scene.cameras.cam_from_world
    scene = turned(scene, poses)
    state = start(scene, config, steps=8)
    reports = list(train(state, scene, TrainConfig(steps=8)))
    assert reports[-1].counts["skipped"] == 0
    assert all(bool(torch.isfinite(value).all()) for value in state.state_dict().values())
    assert bool(torch.isfinite(state.model.render(scene.cameras[2]).rgb).all())


@MODELS
def test_a_near_plane_beyond_the_scene_is_an_error_with_advice(ball, config):
    with pytest.raises(InputError, match="lies beyond the scene") as told:
        build_model(replace(config, near=50.0), ball, steps=1)
    assert "--near" in told.value.advice


@MODELS
def test_a_loss_that_is_not_finite_changes_nothing(ball, config, monkeypatch):
    state = start(ball, config, steps=4)
    list(train(state, ball, TrainConfig(steps=2)))
    before = state.model.state_dict()
    module = type(state.model).__module__
    monkeypatch.setattr(f"{module}.colour_loss", lambda rgb, *_: rgb.sum() * math.nan)
    assert isinstance(state.model, NerfModel | ClassicNerfModel)
    losses = state.model.train_step(state.sampler.draw(1.0, 64), 2)
    assert not all(bool(torch.isfinite(value)) for value in losses.values())
    after = state.model.state_dict()
    same = [name for name in after if not name.endswith(("generator", "rays", "sampled", "progress"))]
    assert [name for name in same if not torch.equal(before[name], after[name])] == []


@MODELS
def test_ten_losses_in_a_row_that_are_not_finite_end_the_run_and_leave_a_whole_model(ball, config, monkeypatch):
    state = start(ball, config, steps=30)
    list(train(state, ball, TrainConfig(steps=2)))
    before = state.model.state_dict()
    monkeypatch.setattr(f"{type(state.model).__module__}.colour_loss", lambda rgb, *_: rgb.sum() * math.inf)
    with pytest.raises(RunError, match="10 steps in a row") as told:
        list(train(state, ball, TrainConfig(steps=30)))
    assert "--resume" in told.value.advice
    assert state.skipped == 10
    after = state.state_dict()
    assert all(bool(torch.isfinite(value).all()) for value in after.values())
    learnt = [name for name in before if name.split(".")[0] in ("field", "learned")]
    assert learnt
    assert [name for name in learnt if not torch.equal(before[name], after[f"model.{name}"])] == []


@pytest.mark.parametrize(
    ("wrong", "option"),
    [
        (lambda: NerfConfig(samples=0), "--samples"),
        (lambda: NerfConfig(near=0.0), "--near"),
        (lambda: NerfConfig(detail=Detail(width=60)), "--detail.width"),
        (lambda: NerfConfig(losses=LossWeights(distortion=-1.0)), "--losses.distortion"),
        (lambda: NerfConfig(samples=10**9), "--samples"),
        (lambda: NerfConfig(detail=Detail(levels=1000)), "--detail.levels is 1000. Give 1 to 32."),
        (lambda: NerfConfig(detail=Detail(entries=64)), "--detail.entries"),
        (lambda: NerfConfig(detail=Detail(finest=99999999999)), "--detail.finest"),
        (lambda: NerfConfig(detail=Detail(occupancy=100000)), "--detail.occupancy"),
        (lambda: NerfConfig(detail=Detail(steps_across=999999999)), "--detail.steps-across"),
        (lambda: ClassicNerfConfig(coarse=1), "--coarse"),
        (lambda: ClassicNerfConfig(width=10**6), "--width"),
        (lambda: GaussianConfig(random_points=10**12), "--random-points"),
        (lambda: ClassicNerfConfig(position_bands=0), "--position-bands"),
    ],
)
def test_impossible_options_are_refused_by_name(wrong, option):
    with pytest.raises(InputError, match=option):
        wrong()
