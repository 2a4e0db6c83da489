"""Antialiased models hold no detail that no photo could have seen."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recon.models import GaussianConfig, build_model
from recon.models.gaussians import GaussianModel
from recon.models.gaussians.band_limit import FILTER_VARIANCE, sampling_intervals
from recon.sampling import Sampler
from recon.training import TrainState
from recon.types import Cameras, Scene

SMALL = GaussianConfig(max_gaussians=2000, sh_degree=0, antialiased=True)
FOCAL = 100.0


def looking_along_z(*depths: float) -> Cameras:
    """Cameras at these distances before the origin, looking at it."""
    poses = torch.eye(4).repeat(len(depths), 1, 1)
    poses[:, 2, 3] = torch.tensor(depths)
    size = torch.full((len(depths),), 64)
    return Cameras(poses, torch.full((len(depths), 2), FOCAL), torch.full((len(depths), 2), 32.0), size, size)


def trained(scene: Scene, config: GaussianConfig, steps: int) -> GaussianModel:
    model = build_model(config, scene, steps=steps, seed=0)
    assert isinstance(model, GaussianModel)
    sampler = Sampler(scene, seed=0)
    for step in range(steps):
        model.train_step(sampler.draw(), step)
        model.after_step(step)
    return model


def test_the_nearest_camera_that_sees_a_place_says_how_fine_it_may_be():
    means = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    torch.testing.assert_close(sampling_intervals(means, looking_along_z(4.0, 2.0)), torch.tensor([0.02, 0.03]))


def test_places_that_no_camera_sees_may_be_as_coarse_as_any():
    means = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 2.0], [0.0, 0.0, -9.0], [99.0, 0.0, 0.0]])
    torch.testing.assert_close(sampling_intervals(means, looking_along_z(2.0))[2:], torch.full((2,), 0.04))


def test_nothing_in_sight_bounds_nothing():
    assert sampling_intervals(torch.tensor([[0.0, 0.0, -9.0]]), looking_along_z(2.0)).tolist() == [0.0]


@pytest.mark.parametrize("antialiased", [True, False])
def test_scales_stay_above_the_limit_where_aliasing_is_fought(room, antialiased):
    scene = room.scene()
    tiny = replace(SMALL, antialiased=antialiased, initial_scale=0.01)
    model = trained(scene, tiny, steps=40)
    gaussians = model.gaussians()
    floor = FILTER_VARIANCE**0.5 * sampling_intervals(gaussians.means, scene.cameras[list(scene.train)])
    share = gaussians.log_scales.exp().min(dim=1).values / floor
    # The floor is measured when density changes and every 100 steps; some means leave a view in between.
    assert (share.quantile(0.05) > 0.9) == antialiased


def test_a_resumed_model_has_the_same_limit(room):
    scene = room.scene()
    model = trained(scene, SMALL, steps=20)
    other = build_model(SMALL, scene, steps=20, seed=0)
    other.load_state_dict({name: value.clone() for name, value in model.state_dict().items()})
    model.after_step(21)
    other.after_step(21)
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("count", [32, 35])
def test_a_model_of_any_number_of_gaussians_can_be_saved(room, count):
    model = build_model(GaussianConfig(antialiased=True), room.scene(), steps=10)
    assert isinstance(model, GaussianModel)
    model.store.remove(torch.arange(model.store.count) >= count)
    model.after_step(0)
    TrainState.start(model, room.scene()).state_dict()
