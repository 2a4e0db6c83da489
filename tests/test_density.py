"""Gaussians added, moved and removed: nothing lost, nothing mixed up, nothing visible where it should not be."""

import math

import pytest
import torch

from recon.models.gaussians.adaptive import refine_adaptive, reset_opacities
from recon.models.gaussians.config import AdaptiveDensity, Mcmc
from recon.models.gaussians.density import Density
from recon.models.gaussians.mcmc import refine_mcmc
from recon.models.gaussians.store import GaussianStore
from recon.ops.blocks import LANES, pack, planes_of, rows, unpack
from recon.ops.splat import splat
from recon.types import Cameras, Gaussians


def make_store(count: int = 100, *, seed: int = 0, opacity: float = 0.6, scale: float = 0.05) -> GaussianStore:
    """Gaussians in a unit cube two units in front of the camera; momentum and statistics carry its number."""
    generator = torch.Generator().manual_seed(seed)
    gaussians = Gaussians(
        means=torch.rand(count, 3, generator=generator) + torch.tensor([-0.5, -0.5, 2.0]),
        quats=torch.randn(count, 4, generator=generator),
        log_scales=torch.full((count, 3), math.log(scale)),
        opacity_logits=torch.full((count,), math.log(opacity / (1 - opacity))),
        sh=torch.randn(count, 4, 3, generator=generator) * 0.5,
    )
    store = GaussianStore.fresh(pack(gaussians), count)
    number = torch.arange(len(store.blocks) * LANES).reshape(-1, 1, LANES).float()
    store.moments.first.copy_((number + 1).expand_as(store.moments.first))
    store.moments.second.copy_((number + 2).expand_as(store.moments.second))
    store.stats.copy_((number + 3).expand_as(store.stats))
    return store


def assert_whole(store: GaussianStore) -> None:
    """Every tensor has the same blocks, just enough of them, and the places after the last Gaussian are invisible."""
    needed = -(-store.count // LANES)
    for tensor in (store.blocks, store.moments.first, store.moments.second, store.stats):
        assert len(tensor) == needed
    assert (rows(store.blocks, needed * LANES)[store.count :, 10] == -1e4).all()
    assert torch.isfinite(store.blocks).all()


def picture(store: GaussianStore):
    camera = Cameras(
        torch.eye(4), torch.tensor([60.0, 60.0]), torch.tensor([32.0, 24.0]), torch.tensor(64), torch.tensor(48)
    )
    return splat(store.blocks, camera, sh_degree=1).rgb


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


# --- The store ------------------------------------------------------------------------------------------------------


def test_appended_gaussians_have_no_momentum():
    store = make_store(20)
    store.append(torch.ones(30, planes_of(1)))
    assert store.count == 50
    assert_whole(store)
    first = rows(store.moments.first, 50)[:, 0]
    assert torch.equal(first, torch.cat([torch.arange(20) + 1.0, torch.zeros(30)]))
    assert not store.statistics()[20:].any()


def test_removing_keeps_each_gaussian_with_its_momentum():
    store = make_store(50)
    means = store.planes(slice(0, 3))
    gone = torch.arange(50) % 2 == 0
    store.remove(gone)
    assert store.count == 25
    assert_whole(store)
    assert torch.equal(store.planes(slice(0, 3)), means[~gone])
    assert torch.equal(rows(store.moments.second, 25)[:, 5], torch.arange(50)[~gone] + 2.0)
    assert torch.equal(store.statistics()[:, 2], torch.arange(50)[~gone] + 3.0)


def test_sorting_keeps_each_gaussian_with_its_momentum():
    store = make_store(100)
    means = store.planes(slice(0, 3))
    store.sort()
    assert_whole(store)
    number = (rows(store.moments.first, 100)[:, 0] - 1).long()
    assert torch.equal(number.sort().values, torch.arange(100))
    assert not torch.equal(number, torch.arange(100))
    assert torch.equal(store.planes(slice(0, 3)), means[number])
    assert torch.equal(store.statistics()[:, 0], number + 3.0)


# --- Markov chain Monte Carlo ---------------------------------------------------------------------------------------


def test_mcmc_grows_to_what_is_wanted():
    store = make_store(100)
    refine_mcmc(store, Mcmc(), wanted=120, generator=generator())
    assert store.count == 120
    assert_whole(store)


def test_mcmc_grows_no_faster_than_allowed():
    store = make_store(100)
    refine_mcmc(store, Mcmc(growth=0.05), wanted=1000, generator=generator())
    assert store.count == 105


def test_dividing_gaussians_hardly_changes_the_image():
    store = make_store(100, opacity=0.3)
    before = picture(store)
    refine_mcmc(store, Mcmc(growth=1.0), wanted=160, generator=generator())
    apart = (picture(store) - before).abs()
    # Eq. 9 matches the integral of the colour, not each pixel; overlapping neighbours share some error.
    assert apart.mean() < 0.05 * before.mean()


def test_dead_gaussians_move_onto_living_ones():
    store = make_store(100)
    dead = torch.arange(100) % 4 == 0
    indices = dead.nonzero()[:, 0]
    hidden = store.gather(indices)
    hidden[:, 10] = -9.0
    hidden[:, :3] = 50.0
    store.replace(indices, hidden)
    refine_mcmc(store, Mcmc(), wanted=100, generator=generator())
    assert store.count == 100
    assert_whole(store)
    assert torch.sigmoid(store.plane(10)).min() >= 0.005
    assert store.planes(slice(0, 3)).max() < 4.0
    means = store.planes(slice(0, 3))
    distance = (means[dead][:, None] - means[~dead]).norm(dim=2).amin(dim=1)
    assert distance.max() == 0
    assert not rows(store.moments.first, 100)[dead].any()


def test_mcmc_replaces_gaussians_that_are_no_numbers():
    store = make_store(40)
    spoilt = store.gather(torch.tensor([3]))
    store.replace(torch.tensor([3]), spoilt * float("nan"))
    refine_mcmc(store, Mcmc(), wanted=40, generator=generator())
    assert_whole(store)


def test_untouched_gaussians_keep_their_momentum():
    store = make_store(200)
    before = store.planes(slice(None))
    refine_mcmc(store, Mcmc(), wanted=220, generator=generator())
    same = (store.planes(slice(None))[:200] == before).all(dim=1)
    assert 170 < int(same.sum()) < 200
    first = rows(store.moments.first, 200)[:, 0]
    assert torch.equal(first[same], torch.arange(200)[same] + 1.0)
    assert not first[~same].any()


def test_the_same_generator_gives_the_same_gaussians():
    stores = [make_store(100), make_store(100), make_store(100)]
    for store, seed in zip(stores, (1, 1, 2), strict=True):
        refine_mcmc(store, Mcmc(), wanted=120, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(stores[0].blocks, stores[1].blocks)
    assert not torch.equal(stores[0].blocks, stores[2].blocks)


# --- Adaptive -------------------------------------------------------------------------------------------------------


def refine(store: GaussianStore, *, most: int = 1000, extent: float = 1.0, prune_large: bool = False) -> dict[str, int]:
    return refine_adaptive(
        store, AdaptiveDensity(), extent=extent, most=most, prune_large=prune_large, generator=generator()
    )


def pull(store: GaussianStore, which: torch.Tensor, gradient: float = 0.01) -> None:
    """Statistics of four views in which these Gaussians were pulled."""
    store.stats.zero_()
    flat = torch.zeros(len(store.stats) * LANES)
    flat[: store.count][which] = 4 * gradient
    store.stats[:, 0] = flat.reshape(-1, LANES)
    store.stats[:, 1] = 4


def test_small_gaussians_that_are_pulled_are_cloned():
    store = make_store(50, scale=0.005)
    before = store.planes(slice(None))
    pull(store, torch.arange(50) < 5)
    assert refine(store) == {"added": 5, "pruned": 0}
    assert store.count == 55
    assert_whole(store)
    after = store.planes(slice(None))
    assert torch.equal(after[:50], before)
    assert torch.equal(after[50:], before[:5])
    assert not rows(store.moments.first, 55)[50:].any()
    assert not store.stats.any()


def test_large_gaussians_that_are_pulled_are_split():
    store = make_store(50, scale=0.05)
    parents = store.planes(slice(None))[:5]
    pull(store, torch.arange(50) < 5)
    assert refine(store) == {"added": 5, "pruned": 0}
    assert store.count == 55
    assert_whole(store)
    halves = store.planes(slice(None))[45:]
    torch.testing.assert_close(halves[:, 3:6].exp(), torch.full((10, 3), 0.05 / 1.6))
    offset = (halves[:, :3] - torch.cat([parents, parents])[:, :3]).norm(dim=1)
    assert offset.min() > 0
    assert offset.max() < 4 * 0.05


def test_faint_gaussians_are_removed():
    store = make_store(50)
    faint = store.gather(torch.arange(10))
    faint[:, 10] = -8.0
    store.replace(torch.arange(10), faint)
    pull(store, torch.zeros(50, dtype=torch.bool))
    assert refine(store) == {"added": 0, "pruned": 10}
    assert store.count == 40


@pytest.mark.parametrize(("prune_large", "left"), [(False, 50), (True, 49)])
def test_huge_gaussians_are_removed_once_opacities_were_reset(prune_large, left):
    store = make_store(50)
    huge = store.gather(torch.tensor([7]))
    huge[:, 3:6] = 0.0
    store.replace(torch.tensor([7]), huge)
    pull(store, torch.zeros(50, dtype=torch.bool))
    refine(store, prune_large=prune_large)
    assert store.count == left


@pytest.mark.parametrize("scale", [0.005, 0.05])
def test_adaptive_density_stops_at_the_budget(scale):
    store = make_store(50, scale=scale)
    pull(store, torch.ones(50, dtype=torch.bool))
    refine(store, most=53)
    assert store.count == 53


def test_a_model_is_never_emptied():
    store = make_store(5, opacity=0.001)
    pull(store, torch.zeros(5, dtype=torch.bool))
    refine(store)
    assert store.count == 5


def test_reset_opacities_are_low_and_the_rest_is_untouched():
    store = make_store(20)
    before = unpack(store.blocks, 20)
    reset_opacities(store, ceiling=0.01)
    after = unpack(store.blocks, 20)
    torch.testing.assert_close(torch.sigmoid(after.opacity_logits), torch.full((20,), 0.01))
    assert torch.equal(after.means, before.means)
    assert torch.equal(after.sh, before.sh)
    assert not store.moments.first[:, 10].any()
    assert store.moments.first[:, :10].all()
    assert_whole(store)


# --- When -----------------------------------------------------------------------------------------------------------


def run_density(config: Mcmc | AdaptiveDensity, store: GaussianStore, *, steps: int, most: int) -> Density:
    density = Density(config, first=store.count, most=most, extent=1.0, seed=0)
    random = generator()
    for step in range(steps):
        if density.wants_statistics:
            pull(store, torch.ones(store.count, dtype=torch.bool))
        density.after_step(store, step=step, progress=step / steps, position_rate=1e-5, generator=random)
    return density


@pytest.mark.parametrize("config", [Mcmc(refinements=10), AdaptiveDensity(refinements=10, resets=0)])
def test_a_short_run_reaches_the_budget_too(config):
    store = make_store(60)
    density = run_density(config, store, steps=200, most=300)
    assert store.count == 300
    assert density.refined == 10
    assert_whole(store)


@pytest.mark.parametrize("config", [Mcmc(refinements=0), AdaptiveDensity(refinements=0)])
def test_without_refinements_the_first_gaussians_stay(config):
    store = make_store(60)
    density = run_density(config, store, steps=200, most=300)
    assert (store.count, density.refined) == (60, 0)
    assert_whole(store)


def test_noise_moves_faint_gaussians_and_leaves_opaque_ones():
    store = make_store(32, opacity=0.004)
    opaque = store.gather(torch.arange(16))
    opaque[:, 10] = 4.0
    store.replace(torch.arange(16), opaque)
    before = store.planes(slice(0, 3))
    density = Density(Mcmc(start=0.5), first=32, most=32, extent=1.0, seed=0)
    density.after_step(store, step=0, progress=0.0, position_rate=1e-4, generator=generator())
    moved = (store.planes(slice(0, 3)) - before).norm(dim=1)
    assert moved[:16].max() < 1e-6
    assert moved[16:].min() > 1e-3
    assert_whole(store)


def test_only_mcmc_regularises():
    assert Density(AdaptiveDensity(), first=1, most=1, extent=1.0, seed=0).pulls(10) == (0.0, 0.0)
    config = Mcmc(opacity_pressure=0.1, scale_pressure=0.2)
    assert Density(config, first=1, most=1, extent=4.0, seed=0).pulls(10) == pytest.approx((0.01, 0.005))


def test_opacities_are_reset_as_often_as_asked():
    config = AdaptiveDensity(refinements=12, resets=2, start=0.0, stop=0.9, prune_below=0.001)
    store = make_store(30)
    density = Density(config, first=30, most=30, extent=1.0, seed=0)
    resets = 0
    for step in range(400):
        store.blocks[:, 10] = torch.where(store.blocks[:, 10] > -100, 2.0, store.blocks[:, 10])
        store.stats.zero_()
        density.after_step(store, step=step, progress=step / 400, position_rate=0.0, generator=generator())
        resets += int(torch.sigmoid(store.plane(10)).max() < 0.5)
    assert resets == 2
