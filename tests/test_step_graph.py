"""Recorded training steps: the numbers of steps launched kernel by kernel, and nothing in them waits for the GPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from room import Room
from torch.utils._python_dispatch import TorchDispatchMode

from recon.models import GaussianConfig, build_model
from recon.models.gaussians import GaussianModel
from recon.models.gaussians.recorded import RecordedStep
from recon.training import TrainConfig, TrainState, train
from recon.types import Scene

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal", "is_nonzero", "item")
"""What needs its numbers on the host before it is done."""


class Waits(TorchDispatchMode):
    """Collects every operation that would make the host wait for a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(func.__name__.startswith(name) for name in WAITING):
            self.found.append(str(func))
        return func(*args, **(kwargs or {}))


def trained(scene: Scene, device: torch.device, *, steps: int, **options: Any) -> GaussianModel:
    config = GaussianConfig(max_gaussians=100, sh_degree=1, **options)
    model = build_model(config, scene, steps=steps, device=device)
    assert isinstance(model, GaussianModel)
    model.store.remove(torch.arange(model.store.count, device=device) >= 60)
    for _ in train(TrainState.start(model, scene), scene, TrainConfig(steps=steps, first_resolution=1.0)):
        pass
    return model


def test_recorded_steps_change_no_bit(gpu: torch.device, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = trained(room.scene(), gpu, steps=5, exposure=True)
    assert recorded.recorded.why_not is None
    assert recorded.recorded.graph is not None
    assert recorded.recorded.graph.replays >= 2  # of five steps: the first two are launched
    monkeypatch.setattr(RecordedStep, "record", lambda *anything, **options: None)
    launched = trained(room.scene(), gpu, steps=5, exposure=True)
    assert launched.recorded.graph is None
    assert torch.equal(recorded.store.blocks, launched.store.blocks)
    assert torch.equal(recorded.store.moments.first, launched.store.moments.first)
    assert recorded.exposure is not None
    assert launched.exposure is not None
    assert torch.equal(recorded.exposure.maps, launched.exposure.maps)


def test_a_graph_serves_only_the_sizes_and_buffers_it_was_recorded_with(gpu: torch.device, room: Room) -> None:
    model = trained(room.scene(), gpu, steps=2)
    graph, store = model.recorded.graph, model.store
    assert graph is not None
    photo = graph._photo
    same: Any = {"blocks": store.blocks, "moments": store.moments, "sh_degree": model.degree}
    same["stats"] = store.stats if model.density.wants_statistics else None
    assert graph.serves(photo, **same)
    assert not graph.serves(replace(photo, rgb=photo.rgb[:, :-1]), **same)
    assert not graph.serves(replace(photo, mask=photo.rgb[0]), **same)
    assert not graph.serves(photo, **(same | {"sh_degree": 0}))
    assert not graph.serves(photo, **(same | {"blocks": store.blocks.clone()}))


def test_no_operation_of_a_step_waits_for_the_gpu(
    gpu: torch.device, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, waits = trained(room.scene(), gpu, steps=2), Waits()
    if gpu.type == "cpu":  # emulated: the model looks at losses of CPU tensors at once, as that costs nothing there
        monkeypatch.setattr("recon.models.gaussians.model.torch.isfinite", lambda loss: True)
    batch = TrainState.start(model, room.scene()).sampler.draw(1.0)

    def watched(step: Callable[[], Any]) -> list[str]:
        waits.found.clear()
        with waits:
            step()
        return list(waits.found)

    model.recorded.graph = None
    of_host = 4  # the camera's focal lengths and centre, which are on the CPU
    launched = watched(lambda: model.train_step(batch, 20))
    model.train_step(batch, 21)
    replays = model.recorded.graph.replays if model.recorded.graph is not None else 0
    replayed = watched(lambda: model.train_step(batch, 22))
    assert model.recorded.graph is not None
    assert model.recorded.graph.replays == replays + 1
    assert len(launched) <= of_host
    assert len(replayed) <= of_host
