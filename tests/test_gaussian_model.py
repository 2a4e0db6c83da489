"""The Gaussian model: how it starts, steps, shows itself and is saved."""

from dataclasses import replace

import pytest
import torch
from autograd_step import autograd_step

from recon.models import GaussianConfig, build_model
from recon.models.gaussians import AdaptiveDensity, GaussianModel, Mcmc, Rates
from recon.models.gaussians.exposure import Exposure
from recon.models.gaussians.initialise import _neighbour_distance_by_brute_force, neighbour_distance
from recon.models.gaussians.schedule import active_degree, budget_at, plane_rates, refinements_due
from recon.sampling import Sampler
from recon.types import Model, Points, Scene

SMALL = GaussianConfig(max_gaussians=3000, sh_degree=1, bands_by=0.0, exposure=True)


def make_model(scene: Scene, config: GaussianConfig = SMALL, *, steps: int = 100, seed: int = 0) -> GaussianModel:
    model = build_model(config, scene, steps=steps, seed=seed)
    assert isinstance(model, GaussianModel)
    return model


def test_the_gaussian_model_is_a_model(room):
    assert isinstance(make_model(room.scene()), Model)


# --- The start ------------------------------------------------------------------------------------------------------


def test_gaussians_start_at_the_points_in_their_colours(room):
    scene = room.scene()
    gaussians = make_model(scene).gaussians()
    assert len(gaussians) == len(scene.points)
    nearest = torch.cdist(gaussians.means, scene.points.xyz).argmin(dim=1)
    assert torch.equal(nearest.sort().values, torch.arange(len(scene.points)))
    assert torch.equal(gaussians.means, scene.points.xyz[nearest])
    colours = 0.5 + 0.28209479177387814 * gaussians.sh[:, 0]
    torch.testing.assert_close(colours, scene.points.rgb[nearest] / 255, atol=1e-6, rtol=0)
    assert torch.sigmoid(gaussians.opacity_logits).mean() == pytest.approx(SMALL.initial_opacity, abs=1e-6)


def test_gaussians_start_as_large_as_the_gap_to_their_neighbours():
    grid = torch.stack(torch.meshgrid(*[torch.arange(5.0)] * 3, indexing="ij"), dim=-1).reshape(-1, 3) * 0.2
    torch.testing.assert_close(neighbour_distance(grid), torch.full((125,), 0.2))


def test_neighbours_are_the_same_without_scipy():
    points = torch.randn(2500, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(_neighbour_distance_by_brute_force(points, 3), neighbour_distance(points))


@pytest.mark.parametrize("count", [0, 1, 2])
def test_hardly_any_points_have_a_distance_too(count):
    assert torch.isfinite(neighbour_distance(torch.rand(count, 3))).all()


def test_a_scene_without_points_starts_at_random_where_the_cameras_look(room):
    scene = replace(room.scene(), points=Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8)))
    gaussians = make_model(scene, replace(SMALL, random_points=500)).gaussians()
    assert len(gaussians) == 500
    # The cameras stand on a ring of 1.5 m and look at (0, 0, 0.4).
    torch.testing.assert_close(gaussians.means.mean(dim=0), torch.tensor([0.0, 0.0, 0.4]), atol=0.15, rtol=0)
    assert gaussians.means.abs().max() < 1.5


def test_there_are_never_more_gaussians_than_allowed(room):
    assert len(make_model(room.scene(), replace(SMALL, max_gaussians=100)).gaussians()) == 100


# --- Schedules ------------------------------------------------------------------------------------------------------


def test_bands_are_added_one_after_another():
    degrees = [active_degree(p, sh_degree=3, bands_by=0.5) for p in (0.0, 0.12, 0.13, 0.26, 0.4, 0.5, 1.0)]
    assert degrees == [0, 0, 1, 2, 3, 3, 3]
    assert active_degree(0.0, sh_degree=2, bands_by=0.0) == 2


def test_position_rate_scales_with_the_scene_and_falls():
    rates = Rates(position=1e-3, position_end=0.01, end=1.0, colour=0.1, detail=0.05)
    start = plane_rates(rates, sh_degree=1, extent=2.0, progress=0.0)
    end = plane_rates(rates, sh_degree=1, extent=2.0, progress=1.0)
    torch.testing.assert_close(start[:3], torch.full((3,), 2e-3))
    torch.testing.assert_close(end[:3], torch.full((3,), 2e-5))
    assert torch.equal(start[3:], end[3:])
    torch.testing.assert_close(start[11:15], torch.tensor([0.1, 0.1, 0.1, 0.005]))


def test_refinements_are_spread_over_their_share_of_training():
    due = [refinements_due(p, start=0.1, stop=0.5, refinements=5) for p in (0.0, 0.09, 0.1, 0.2, 0.31, 0.5, 1.0)]
    assert due == [0, 0, 1, 2, 3, 5, 5]


def test_the_budget_grows_by_equal_factors():
    wanted = [budget_at(p, first=100, most=1600, start=0.1, full=0.5) for p in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert wanted == [100, 100, 400, 1600, 1600]


# --- A step ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("density", [Mcmc(), AdaptiveDensity()])
@pytest.mark.parametrize("antialiased", [False, True])
def test_the_fused_step_is_the_autograd_step(room, density, antialiased):
    scene = room.scene()
    config = replace(SMALL, density=density, antialiased=antialiased)
    fused, general = make_model(scene, config), make_model(scene, config)
    # Round Gaussians have no gradient in rotation but rounding, which Adam would blow up to whole steps.
    stretch = torch.rand(len(fused.store.blocks), 3, 16, generator=torch.Generator().manual_seed(0)) - 0.5
    for model in (fused, general):
        model.store.blocks[:, 3:6] += stretch
    sampler = Sampler(scene, seed=0)
    start = fused.store.blocks.clone()
    for step in range(3):
        batch = sampler.draw()
        terms = fused.train_step(batch, step)
        loss = autograd_step(general, batch, step)
        assert float(sum(terms.values())) == pytest.approx(float(loss), rel=1e-5)
        if step == 0:  # the first moment is a tenth of the gradient
            apart = fused.store.moments.first - general.store.moments.first
            assert apart.norm() < 1e-5 * fused.store.moments.first.norm()
    assert (fused.store.blocks - start).abs().max() > 1e-3
    # Adam divides by the gradient's own size, so that the rounding of a tiny gradient can become a visible step.
    apart = (fused.store.blocks - general.store.blocks).abs()
    assert (apart > 1e-5).float().mean() < 2e-3
    assert fused.exposure is not None
    assert general.exposure is not None
    torch.testing.assert_close(fused.exposure.maps, general.exposure.maps, atol=1e-5, rtol=0)


def test_a_step_towards_a_photo_lowers_its_loss(room):
    scene = room.scene()
    model, batch = make_model(scene), Sampler(scene, seed=0).draw()
    losses = [float(sum(model.train_step(batch, step).values())) for step in range(20)]
    assert losses[-1] < 0.7 * losses[0]


def test_a_loss_that_is_no_number_changes_nothing(room):
    scene = room.scene()
    model, batch = make_model(scene), Sampler(scene, seed=0).draw()
    assert model.exposure is not None
    model.exposure.maps[:] = float("nan")
    before = model.store.blocks.clone()
    losses = model.train_step(batch, 0)
    assert not torch.isfinite(torch.stack(list(losses.values()))).all()
    assert torch.equal(model.store.blocks, before)
    assert not model.store.moments.first.any()


def test_transparent_photos_get_a_random_background(room):
    scene = room.scene()
    batch = Sampler(scene, seed=0).draw()
    clear = replace(batch, alpha=torch.zeros(batch.rgb.shape[:2], dtype=torch.uint8))
    model = make_model(scene)
    first, second = (float(sum(model.train_step(clear, 0).values())) for _ in range(2))
    assert first != second
    for _ in range(60):
        model.train_step(clear, 0)
    assert float(model.render(batch.cameras).alpha.mean()) < 0.1  # nothing is there, so nothing may be seen


# --- Exposure -------------------------------------------------------------------------------------------------------


def test_exposures_are_neutral_on_the_mean_of_the_training_photos():
    exposure = Exposure(4, (0, 1, 3))
    generator = torch.Generator().manual_seed(0)
    for step in range(30):
        exposure.step((0, 1, 3)[step % 3], torch.randn(3, 4, generator=generator), learning_rate=0.01)
    torch.testing.assert_close(exposure.maps[[0, 1, 3]].mean(dim=0), torch.eye(3, 4), atol=1e-6, rtol=0)
    assert torch.equal(exposure.of(2), torch.eye(3, 4))
    assert (exposure.of(0) - torch.eye(3, 4)).abs().max() > 1e-3


# --- Looking and saving ---------------------------------------------------------------------------------------------


def test_pixels_of_a_view_are_pixels_of_its_image(room):
    scene = room.scene()
    model = make_model(scene)
    image = model.render(scene.cameras[0])
    some = model.render(scene.cameras[0], torch.tensor([[0.5, 0.5], [63.5, 47.5], [10.2, 20.9]]))
    assert torch.equal(some.rgb, torch.stack([image.rgb[0, 0], image.rgb[47, 63], image.rgb[20, 10]]))


def test_a_loaded_model_is_the_saved_one(room):
    scene = room.scene()
    model, other = make_model(scene), make_model(scene, seed=5)
    sampler = Sampler(scene, seed=0)
    for step in range(5):
        model.train_step(sampler.draw(), step)
        model.after_step(step)
    other.load_state_dict(model.state_dict())
    saved, loaded = model.state_dict(), other.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[name], loaded[name]) for name in saved)
    assert torch.equal(model.render(scene.cameras[0]).rgb, other.render(scene.cameras[0]).rgb)


def test_a_saved_state_does_not_change_with_the_model(room):
    scene = room.scene()
    model = make_model(scene)
    saved = model.state_dict()
    before = {name: value.clone() for name, value in saved.items()}
    model.train_step(Sampler(scene, seed=0).draw(), 0)
    model.after_step(0)
    assert all(torch.equal(saved[name], before[name]) for name in saved)
