"""Training on a GPU where there is none: every tensor is where it should be, and few steps wait for numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from painted_ball import ball_scene
from pretended_gpu import CUDA, MisplacedError, PretendedGpu
from small_fields import MODELS, SMALL

from recon.models import ClassicNerfConfig, NerfConfig, build_model
from recon.ops.device import gpu_kernels
from recon.training import TrainConfig, TrainState, train
from recon.types import HasDensity, Scene

STEPS = 4
OF_A_STEP = {
    "nerf": {"ops/march.py:march": 1, "nerf/visible.py:visible": 4, "rays/learned.py:all_finite": 1},
    "nerf-classic": {"rays/learned.py:all_finite": 1},
}
"""What is waited for: how many samples there are, which of them can be seen, and whether the gradient is a number."""


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> PretendedGpu:
    """On no GPU: there, the tests of models run on it."""
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    return PretendedGpu(monkeypatch)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The occupancy grid looks again within a few steps."""
    monkeypatch.setattr("recon.models.nerf.occupancy._FROM", 2)
    monkeypatch.setattr("recon.models.nerf.occupancy._EVERY", 2)


@pytest.fixture(scope="module")
def ball() -> Scene:
    return ball_scene()


def start(config: NerfConfig | ClassicNerfConfig, scene: Scene, device: torch.device | str) -> TrainState:
    return TrainState.start(build_model(config, scene, steps=STEPS, device=device), scene)


@MODELS
def test_a_field_learns_there_and_ends_with_the_numbers_of_the_cpu(ball, config, pretended, soon, set_threads):
    set_threads(1)
    here, plan = start(config, ball, "cpu"), TrainConfig(steps=STEPS)
    list(train(here, ball, plan))
    with pretended.on():
        there = start(config, ball, CUDA)
        list(train(there, ball, plan))
        state = there.state_dict()
        assert {value.device.type for value in state.values()} == {"cpu"}
        again = start(config, ball, CUDA)
        again.load_state_dict(state)
        seen = again.model.render(ball.cameras[0])
        assert seen.rgb.device.type == "cpu"
        assert isinstance(again.model, HasDensity)
        assert again.model.density(torch.zeros(2, 3)).device.type == "cpu"
        learned = again.model.__dict__.get("learned") or again.model.__dict__["field"].networks
        assert learned.values.device == CUDA
    wanted = here.state_dict()
    assert [name for name in wanted if name != "elapsed" and not torch.equal(wanted[name], state[name])] == []
    assert torch.equal(seen.rgb, here.model.render(ball.cameras[0]).rgb)


@MODELS
def test_a_step_waits_for_no_more_than_it_must(ball, config, pretended):
    with pretended.on():
        state = start(config, ball, CUDA)
        reports = train(state, ball, TrainConfig(steps=STEPS))
        next(reports)  # and what is made once
        pretended.waits.clear()
        next(reports)
    waits = Counter(wait.split(": ")[0] for wait in pretended.waits)
    assert waits == OF_A_STEP["nerf" if config is SMALL else "nerf-classic"]


def test_every_option_of_a_field_works_there(room, pretended, soon):
    scene = room.scene()
    points = replace(scene.points, error=torch.ones(len(scene.points)))
    losses = replace(SMALL.losses, depth=0.1)
    config = replace(SMALL, exposure=True, losses=losses, background="white")
    with pretended.on():
        state = start(config, replace(scene, points=points), CUDA)
        told = [report.losses for report in train(state, scene, TrainConfig(steps=STEPS))]
    assert set(told[-1]) == {"colour", "distortion", "entropy", "depth"}


def test_what_a_gpu_refuses_is_refused(pretended):
    with pretended.on():
        there = torch.zeros(3, device=CUDA)
        assert there.device == (there + 1).device == there[:1].device == there.new_zeros(2).device == CUDA
        assert there.cpu().device.type == "cpu"
        for refused in (
            lambda: there + torch.ones(3),
            lambda: there[torch.tensor([0])],
            lambda: torch.cat([there, torch.ones(1)]),
            lambda: torch.rand(3, device=CUDA, generator=torch.Generator()),
            lambda: np.asarray(there),
        ):
            with pytest.raises(MisplacedError):
                refused()
        with pytest.raises(ValueError, match="several devices"):
            gpu_kernels(there, torch.ones(3))
        pretended.waits.clear()
        float(there[0])
        there.nonzero()
        there[there > 0] = 1
        torch.ones(3).to(CUDA)
        torch.ones(3).to(CUDA, non_blocking=True)
    assert [wait.split(": ")[1] for wait in pretended.waits] == ["_local_scalar_dense", "nonzero", "to the GPU"]


def test_gradients_are_where_their_values_are(pretended):
    with pretended.on():
        value = torch.ones(2, device=CUDA, requires_grad=True)
        (value * 3).sum().backward()
        assert value.grad is not None
        assert value.grad.device == CUDA
        (gradient,) = torch.autograd.grad(value.square().sum(), [value])
        assert gradient.device == CUDA
