"""What only the GPU path has: limits that are guessed and grown, and steps that nobody waits for."""

from __future__ import annotations

import pytest
import torch
from room import Room
from test_splat import camera, gaussians

from recon.models import GaussianConfig, build_model
from recon.models.gaussians import GaussianModel
from recon.models.gaussians.store import GaussianStore
from recon.ops.adam import Moments
from recon.ops.blocks import pack
from recon.ops.device import gpu_kernels
from recon.ops.splat import Frame, splat_backward_adam, splat_forward
from recon.ops.splat_gpu import GpuFrame
from recon.training import TrainConfig, TrainState, train


def cramped(blocks: torch.Tensor, seen: int, pairs: int) -> Frame:
    """A frame that believes such a view to need no more than this."""
    frame = splat_forward(blocks, camera(), sh_degree=3)
    assert isinstance(frame.scratch, GpuFrame)
    frame.scratch._limits, frame.scratch._needed = (seen, pairs), None
    return frame


def step(frame: Frame, blocks: torch.Tensor, *, loss: float = 1.0) -> None:
    splat_backward_adam(
        frame,
        blocks,
        Moments.zeros_like(blocks),
        grad_rgb=torch.ones_like(frame.rgb),
        grad_alpha=torch.ones_like(frame.alpha),
        learning_rates=torch.full((blocks.shape[1],), 1e-3),
        step=1,
        loss=torch.tensor(loss, device=blocks.device),
    )


@pytest.mark.parametrize("limits", [(300, 10), (16, 10_000), (0, 0)])
def test_a_view_that_waits_grows_its_limits(gpu: torch.device, limits: tuple[int, int]) -> None:
    blocks = pack(gaussians(300)).to(gpu)
    truth = splat_forward(blocks, camera(), sh_degree=3)
    again = splat_forward(blocks, camera(), sh_degree=3, reuse=cramped(blocks, *limits))
    assert torch.equal(again.rgb, truth.rgb)
    assert (again.seen_count, again.pair_count) == (truth.seen_count, truth.pair_count)


@pytest.mark.parametrize("limits", [(300, 10), (16, 10_000)])
def test_a_step_beyond_the_limits_is_empty_and_the_next_is_not(gpu: torch.device, limits: tuple[int, int]) -> None:
    blocks = pack(gaussians(300)).to(gpu)
    truth, before = splat_forward(blocks, camera(), sh_degree=3), blocks.clone()
    frame = splat_forward(blocks, camera(), sh_degree=3, reuse=cramped(blocks, *limits), wait=False)
    assert float(frame.alpha.max()) == 0
    step(frame, blocks)
    assert torch.equal(blocks, before)
    assert frame.pair_count == truth.pair_count  # what it would have needed is known all the same
    after = splat_forward(blocks, camera(), sh_degree=3, reuse=frame, wait=False)
    assert torch.equal(after.rgb, truth.rgb)


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_moves_nothing(gpu: torch.device, loss: float) -> None:
    blocks = pack(gaussians(300)).to(gpu)
    before = blocks.clone()
    step(splat_forward(blocks, camera(), sh_degree=3), blocks, loss=loss)
    assert torch.equal(blocks, before)
    step(splat_forward(blocks, camera(), sh_degree=3), blocks)
    assert not torch.equal(blocks, before)


def test_a_frame_without_a_way_back_refuses_to_go_back(gpu: torch.device) -> None:
    blocks = pack(gaussians(30)).to(gpu)
    frame = splat_forward(blocks, camera(), sh_degree=3, way_back=False)
    with pytest.raises(ValueError, match="way back"):
        step(frame, blocks)


def test_the_same_step_gives_the_same_bits(gpu: torch.device) -> None:
    results = []
    for _ in range(2):
        blocks = pack(gaussians(300)).to(gpu)
        frame = splat_forward(blocks, camera(), sh_degree=3)
        step(frame, blocks)
        results.append((frame.rgb.clone(), blocks))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_a_model_learns_and_grows_with_coded_moments(gpu: torch.device, room: Room) -> None:
    config = GaussianConfig(max_gaussians=1200, sh_degree=1, exposure=True)
    model = build_model(config, room.scene(), steps=14, device=gpu)
    assert isinstance(model, GaussianModel)
    model.store = GaussianStore.fresh(model.store.blocks, model.store.count, coded=True)
    model.store.remove(torch.arange(model.store.count, device=gpu) >= 600)  # fewer than it started for: it will grow
    state = TrainState.start(model, room.scene())
    plan = TrainConfig(steps=14, first_resolution=1.0)
    losses = [float(report.losses["l1"]) for report in train(state, room.scene(), plan)]
    assert sum(losses[-4:]) < 0.98 * sum(losses[:4])
    assert state.skipped == 0
    assert 600 < model.store.count <= 1200
    assert model.store.moments.coded
    assert bool(torch.isfinite(model.gaussians().means).all())
    again = build_model(config, room.scene(), steps=14, device=gpu)
    again.load_state_dict(model.state_dict())
    before, after = (each.render(room.scene().cameras[0]).rgb for each in (model, again))
    assert torch.equal(before, after)


def test_tensors_on_two_devices_are_refused() -> None:
    with pytest.raises(ValueError, match="several devices"):
        gpu_kernels(torch.zeros(1), torch.zeros(1, device="meta"))
