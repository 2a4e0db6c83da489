"""Training on a GPU where there is none: every tensor is where it should be, and few steps wait for numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from command_line import result
from painted_ball import ball_scene
from pretended_gpu import CUDA, MisplacedError, PretendedGpu
from small_fields import MODELS, SMALL

from recon import models
from recon.cli.main import main
from recon.models import ClassicNerfConfig, GaussianConfig, NerfConfig, build_model
from recon.models.gaussians import AdaptiveDensity, GaussianModel, Mcmc
from recon.ops.device import gpu_kernels
from recon.priors.depth.stereo import StereoDepth
from recon.sampling import Sampler
from recon.training import TrainConfig, TrainState, train
from recon.types import DepthMap, HasDensity, Scene

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
    assert set(told[0]) == {"colour", "distortion", "entropy", "depth"}  # points count in the first half


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


# --- Gaussians, where their kernels are emulated --------------------------------------------------------------------


def few(room, pretended: PretendedGpu, steps: int, scene: Scene | None = None, **options) -> tuple[TrainState, list]:
    """A training of a few hundred Gaussians there, and for each step what waited."""
    scene = room.scene() if scene is None else scene
    config = GaussianConfig(max_gaussians=150, sh_degree=1, **options)
    model = build_model(config, scene, steps=steps, device=CUDA)
    assert isinstance(model, GaussianModel)
    model.store.remove(torch.arange(model.store.count, device=CUDA) >= 100)
    state, waits = TrainState.start(model, scene), []
    assert isinstance(state.sampler, Sampler)
    for view in scene.train:
        state.sampler.view(view)  # photos are sent there once
    pretended.waits.clear()
    for _ in train(state, scene, TrainConfig(steps=steps, first_resolution=1.0)):
        waits.append([wait for wait in pretended.waits if "loop.py" not in wait])
        pretended.waits.clear()
    return state, waits


def test_a_step_of_gaussians_waits_for_nothing(gpu, room, pretended):
    with pretended.on():
        state, waits = few(room, pretended, 4, exposure=True, density=Mcmc(refinements=0))
        assert isinstance(state.model, GaussianModel)
        assert state.model.recorded.graph is not None
        assert state.model.recorded.graph.replays > 0
    assert waits[1:] == [[], [], []]  # the first one measures how many pairs there are


@pytest.mark.parametrize(
    "options",
    [
        {"density": Mcmc(refinements=1, start=0.0), "antialiased": True},
        {"density": AdaptiveDensity(refinements=1, start=0.0, gradient=1e-9, resets=0), "exposure": True},
        {"density": Mcmc(refinements=0)},
    ],
    ids=["mcmc", "adaptive", "depth"],
)
def test_gaussians_learn_there_whatever_is_asked_of_them(gpu, room, pretended, options, monkeypatch):
    monkeypatch.setattr("recon.models.gaussians.density._LEAST_STEPS", 1)
    scene = room.scene()
    if len(options) == 1:
        flat = DepthMap(torch.full((48, 64), 0.3), torch.ones(48, 64), "scene")
        scene = replace(scene, depths=dict.fromkeys(scene.train, flat))
    with pretended.on():
        state, _ = few(room, pretended, 2, scene, **options)
        held = state.state_dict()
        assert {value.device.type for value in held.values()} == {"cpu"}
        again = TrainState.start(build_model(state.model.__dict__["config"], scene, steps=2, device=CUDA), scene)
        again.load_state_dict(held)
        seen = [each.model.render(scene.cameras[0]) for each in (state, again)]
        assert {part.rgb.device.type for part in seen} == {"cpu"}
        model = again.model
        assert isinstance(model, GaussianModel)
        assert model.surface(scene.cameras[0]).depth.device.type == "cpu"
        assert model.gaussians().means.device.type == "cpu"
        assert model.make_do() == int(0.9 * held["model.count"])
    assert torch.equal(seen[0].rgb, seen[1].rgb)


# --- Commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def field_run(photos_with_poses, tmp_path_factory):
    """A field that was taught for some steps on the CPU."""
    run, few = tmp_path_factory.mktemp("runs") / "field", ("--steps", "30", "--hold-out", "3", "--no-viewer")
    small = ("--samples", "1024", "--detail.levels", "4", "--detail.entries", "10", "--detail.width", "16")
    train = ("train", "--images", str(photos_with_poses), "--output", str(run), "--quiet", *few, "nerf", *small)
    assert main([*train, "--detail.occupancy", "16"]) == 0
    return run


@pytest.mark.parametrize(
    "command",
    [("eval",), ("render", "--views", "test", "--output", "pictures"), ("export", "--to", "depth.npz")],
    ids=lambda command: command[0],
)
def test_a_run_is_measured_drawn_and_exported_there(field_run, pretended, command, tmp_path, capsys, monkeypatch):
    name, *options = command
    opened, build = [], models.build_model

    def built(*args, **kwargs):
        opened.append(build(*args, **kwargs))
        return opened[-1]

    monkeypatch.setattr("recon.cli.opening.build_model", built)
    monkeypatch.setattr("recon.ops.device.why_no_gpu", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "pretended")
    monkeypatch.chdir(tmp_path)
    with pretended.on():
        there = result(capsys, name, field_run, *options, "--device", "cuda")
        assert [model.field.networks.values.device for model in opened] == [CUDA]
    here = result(capsys, name, field_run, *options, "--device", "cpu")
    assert here == there


# --- Stereo -----------------------------------------------------------------------------------------------------------


def test_stereo_compares_photos_there_and_says_the_same(room, pretended, set_threads):
    set_threads(1)
    scene = room.scene()
    here = list(StereoDepth().predict(scene, range(len(scene)), lambda done, what: None))
    with pretended.on():
        there = list(StereoDepth(device=CUDA).predict(scene, range(len(scene)), lambda done, what: None))
        assert {depth.inverse.device.type for depth in there} == {"cpu"}
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one.confidence, other.confidence)
        assert torch.equal(one.inverse, other.inverse)
