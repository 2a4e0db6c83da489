"""The radiance fields: they learn, resume bit for bit, and say why where they cannot."""

import math
from dataclasses import replace

import pytest
import torch
from painted_ball import RADIUS, ball_scene

from recon.errors import InputError, RunError
from recon.evaluation import evaluate
from recon.models import ClassicNerfConfig, NerfConfig, build_model
from recon.models.classic import ClassicNerfModel
from recon.models.nerf import Detail, LossWeights, NerfModel
from recon.models.nerf.field import Field, Matter
from recon.models.nerf.guidance import Sightings
from recon.models.nerf.occupancy import Occupancy
from recon.models.rays.bounds import Bounds, choose_bounds
from recon.models.rays.cast import cast, pixel_centers
from recon.ops.march import march
from recon.training import TrainConfig, TrainState, train
from recon.types import Cameras, Scene

SMALL = NerfConfig(
    samples=4096,
    precision="fp32",
    detail=Detail(levels=4, entries=12, finest=64, width=16, occupancy=16, steps_across=64),
)
CLASSIC = ClassicNerfConfig(rays=128, coarse=16, fine=16, layers=3, width=48, position_bands=4)
MODELS = pytest.mark.parametrize("config", [SMALL, CLASSIC], ids=["nerf", "nerf-classic"])


def start(
    scene: Scene,
    config: NerfConfig | ClassicNerfConfig,
    *,
    steps: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> TrainState:
    return TrainState.start(build_model(config, scene, steps=steps, seed=seed, device=device), scene, seed=seed)


@pytest.fixture(scope="module")
def ball() -> Scene:
    return ball_scene()


@pytest.fixture(scope="module")
def learned(ball: Scene) -> NerfModel:
    """A ball that was learnt."""
    state = start(ball, SMALL, steps=200)
    list(train(state, ball, TrainConfig(steps=200)))
    assert isinstance(state.model, NerfModel)
    return state.model


# --- Learning -------------------------------------------------------------------------------------------------------


def test_a_hash_grid_learns_a_ball(ball, learned):
    untrained = evaluate(build_model(SMALL, ball, steps=1), ball, ball.test).psnr
    assert evaluate(learned, ball, ball.test).psnr > max(untrained + 4, 16.0)  # dB


def test_the_classic_field_learns_a_ball(ball):
    state = start(ball, CLASSIC, steps=250)
    untrained = evaluate(state.model, ball, ball.test).psnr
    list(train(state, ball, TrainConfig(steps=250)))
    assert evaluate(state.model, ball, ball.test).psnr > max(untrained + 3, 14.0)  # dB


@MODELS
def test_a_field_learns_a_ball_on_a_gpu_and_looks_the_same_on_the_cpu(ball, config, gpu: torch.device):
    pytest.importorskip("nerfacc")
    state = start(ball, config, steps=200, device=gpu)
    untrained = evaluate(state.model, ball, ball.test).psnr
    list(train(state, ball, TrainConfig(steps=200)))
    assert evaluate(state.model, ball, ball.test).psnr > max(untrained + 3, 14.0)  # dB
    here = start(ball, config, steps=200)
    here.load_state_dict(state.state_dict())
    there, again = (each.model.render(ball.cameras[0]).rgb for each in (state, here))
    torch.testing.assert_close(there, again, atol=2e-3, rtol=0)  # exp and sums differ in the last bits


class Solid(Field):
    """A field that is a hard gray ball, whatever it learns."""

    def at(self, placed, samples, directions, leaf=None, *, shine=1.0):
        points = (2 * placed.positions - 1) * self.bounds.radius + torch.tensor(self.bounds.center)
        return Matter(1e4 * (points.norm(dim=-1) < RADIUS).float(), torch.full((len(points), 3), 0.5))


def test_depth_and_alpha_of_a_hard_ball_are_exact(ball):
    model = build_model(SMALL, ball, steps=1)
    assert isinstance(model, NerfModel)
    solid = Solid(model.field.bounds, SMALL.detail, precision="fp32", generator=torch.Generator())
    model.field = solid
    camera = ball.cameras[0]
    render = model.render(camera)
    assert render.depth is not None
    rays = cast(camera, pixel_centers(camera))
    middle = -(rays.origins * rays.directions).sum(dim=-1)
    inside = RADIUS**2 - (rays.origins.square().sum(dim=-1) - middle**2)
    hit = inside > 0.01  # away from the edge, where a step decides
    depth = (middle - inside.clamp(min=0).sqrt()) * rays.forward
    step = 2 * solid.bounds.radius / SMALL.detail.steps_across
    assert float((render.depth.flatten() - depth)[hit].abs().max()) < step
    assert float(render.alpha.flatten()[hit].min()) > 0.999
    assert float(render.alpha.flatten()[inside < -0.01].max()) == 0
    torch.testing.assert_close(render.rgb.reshape(-1, 3)[hit], torch.full((int(hit.sum()), 3), 0.5))


def test_density_is_larger_in_the_ball_than_around_it(learned):
    shell = torch.nn.functional.normalize(torch.randn(64, 3, generator=torch.Generator().manual_seed(1)), dim=-1)
    assert float(learned.density(0.38 * shell).mean()) > 3 * float(learned.density(0.46 * shell).mean())
    assert float(learned.density(5 * shell).max()) == 0


def test_pixels_of_a_render_are_those_of_the_image(ball, learned):
    camera = ball.cameras[3]
    image = learned.render(camera)
    pixels = torch.tensor([[4.5, 20.5], [16.5, 16.5], [31.5, 0.5]])
    some = learned.render(camera, pixels)
    x, y = pixels.long().unbind(-1)
    torch.testing.assert_close(some.rgb, image.rgb[y, x])
    torch.testing.assert_close(some.alpha, image.alpha[y, x])


def test_a_room_without_bounds_is_learnt(room):
    scene = room.scene()
    state = start(scene, SMALL, steps=100)
    assert isinstance(state.model, NerfModel)
    assert state.model.field.bounds.contract
    losses = [float(report.losses["colour"]) for report in train(state, scene, TrainConfig(steps=100))]
    assert sum(losses[-20:]) < 0.92 * sum(losses[:20])


def test_exposure_is_learnt_beside_the_scene(ball):
    dark = tuple(
        replace(ball.images[i], rgb=(ball.images[i].rgb * (0.6 if i % 4 == 1 else 1.0)).byte())
        for i in range(len(ball))
    )
    scene = replace(ball, images=type(ball.images)(dark))
    config = replace(SMALL, exposure=True, rates=replace(SMALL.rates, exposure=2e-2))
    state = start(scene, config, steps=200)
    list(train(state, scene, TrainConfig(steps=200)))
    assert isinstance(state.model, NerfModel)
    assert state.model.gains is not None
    gains = state.model.gains.learned.parts()[0].mean(dim=-1)
    assert float(gains[[1, 5, 9]].max()) < float(gains[[3, 11]].min()) - 0.2
    assert abs(float(gains[list(scene.train)].mean())) < 1e-5


# --- Repeating ------------------------------------------------------------------------------------------------------


@MODELS
def test_a_resumed_run_equals_an_uninterrupted_one(ball, config):
    plan = TrainConfig(steps=36)
    whole = start(ball, config, steps=36)
    list(train(whole, ball, plan))

    first = start(ball, config, steps=36)
    for report in train(first, ball, plan):
        if report.step == 17:
            break
    second = start(ball, config, steps=36, seed=5)
    second.load_state_dict(first.state_dict())
    second.model.__dict__["_seed"] = 0
    list(train(second, ball, plan))

    end, resumed = whole.state_dict(), second.state_dict()
    assert [name for name in end if name != "elapsed" and not torch.equal(end[name], resumed[name])] == []


@MODELS
def test_the_same_seed_gives_the_same_model(ball, config):
    states = [start(ball, config, steps=6, seed=seed) for seed in (1, 1, 2)]
    for state in states:
        list(train(state, ball, TrainConfig(steps=6)))
    one, same, other = (state.model.state_dict() for state in states)
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


def test_rays_follow_the_wanted_number_of_samples(ball):
    state = start(ball, SMALL, steps=60)
    reports = list(train(state, ball, TrainConfig(steps=60)))
    samples = [report.counts["samples"] for report in reports[20:]]
    assert 0.6 * SMALL.samples < sum(samples) / len(samples) < 1.4 * SMALL.samples
    assert reports[-1].counts["skipped"] == 0


# --- Geometry -------------------------------------------------------------------------------------------------------


def test_rays_go_through_their_pixels(ball):
    camera = ball.cameras[4]
    rays = cast(camera, pixel_centers(camera))
    points = rays.origins + 2.5 * rays.directions
    seen = points @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    back = seen[:, :2] / seen[:, 2:] * camera.focal + camera.center
    torch.testing.assert_close(back, pixel_centers(camera), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[:, 2], 2.5 * rays.forward)


def test_photos_cut_out_give_a_cube_around_the_points(ball):
    bounds = choose_bounds(ball, "auto", near=0.05)
    assert not bounds.contract
    assert RADIUS < bounds.radius < 1.3 * RADIUS
    assert choose_bounds(ball, "unbounded", near=0.05).contract


def test_what_photos_show_to_be_empty_is_never_looked_at(ball):
    bounds = choose_bounds(ball, "auto", near=0.05)
    whole, cut = (Occupancy(bounds, cells=32, step=0.01) for _ in range(2))
    whole.carve(replace(ball, transparent=False), near=0.05)
    cut.carve(ball, near=0.05)
    assert cut.share < whole.share - 0.05
    side = 2 * bounds.radius / 32
    centers = (torch.stack(torch.meshgrid(*3 * [torch.arange(32)], indexing="ij"), dim=-1) + 0.5) * side - bounds.radius
    inside = (centers + torch.tensor(bounds.center)).norm(dim=-1) < RADIUS
    assert bool(cut.cubes.occupied[0][inside].all())


def test_cells_in_which_nothing_is_seen_are_left_out_until_something_is():
    occupancy = Occupancy(Bounds((0.1, 0.0, -0.2), 0.5, contract=True), cells=8, step=0.01)
    for step in range(64, 64 + 16 * 40, 16):
        occupancy.update(step, lambda points: torch.full((len(points),), 100.0), seed=0)
        occupancy.mark(torch.tensor([[0.2, 0.1, 0.0]]))
    assert bool(occupancy.everything.occupied.all())
    assert int(occupancy.cubes.occupied.sum()) == 1
    far = torch.tensor([[5.003, 0.0, 0.0], [-3.0, 1.0, 0.0]])
    occupancy.mark(far)
    directions = torch.nn.functional.normalize(far, dim=-1)
    found = march(torch.zeros(2, 3), directions, occupancy.cubes, step=0.01, max_samples=5000)
    assert bool(
        ((found.t0[None] < far.norm(dim=-1)[:, None]) & (far.norm(dim=-1)[:, None] < found.t1[None])).any(1).all()
    )


def test_rays_of_a_picture_half_as_large_are_twice_as_wide(ball):
    camera = ball.cameras[0]
    middle = torch.tensor([[16.0, 16.0]])
    wide, narrow = cast(camera.resized(16), middle / 2), cast(camera, middle)
    torch.testing.assert_close(wide.width, 2 * narrow.width)


def test_an_antialiased_field_is_smoother_in_small_pictures(ball, learned):
    """Rays without width see all the detail there is, between pixels too."""
    rough = {}
    for antialiased in (True, False):
        learned.config = replace(SMALL, antialiased=antialiased)
        picture = learned.render(ball.cameras[0].resized(8)).rgb
        rough[antialiased] = float(picture.diff(dim=0).square().mean() + picture.diff(dim=1).square().mean())
    learned.config = SMALL
    assert rough[True] < rough[False]


# --- Bad input ------------------------------------------------------------------------------------------------------


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
        (lambda: ClassicNerfConfig(coarse=1), "--coarse"),
        (lambda: ClassicNerfConfig(position_bands=0), "--position-bands"),
    ],
)
def test_impossible_options_are_refused_by_name(wrong, option):
    with pytest.raises(InputError, match=option):
        wrong()


def test_bounds_come_back_from_their_numbers():
    bounds = Bounds((0.1, -2.5, 3.0), 0.7, contract=True)
    assert Bounds.from_numbers(bounds.numbers()) == bounds


# --- Depth of points ------------------------------------------------------------------------------------------------


def off_by(room, scene: Scene) -> float:
    """Median error of the learnt depth of a training view, as a share of the depth."""
    config = replace(SMALL, losses=replace(SMALL.losses, depth=0.0 if scene.points.error is None else 1.0))
    state = start(scene, config, steps=60)
    list(train(state, scene, TrainConfig(steps=60)))
    depth = state.model.render(scene.cameras[1]).depth
    assert depth is not None
    truth = torch.from_numpy(room.depth[1])
    return float(((depth - truth) / truth).abs().median())


def test_points_of_known_error_teach_depth(room):
    scene = room.scene()
    known = replace(scene.points, error=torch.rand(len(scene.points), generator=torch.Generator().manual_seed(0)))
    assert off_by(room, replace(scene, points=known)) < 0.7 * off_by(room, scene)


def test_points_far_beside_where_photos_show_them_are_not_believed(room):
    """Half of the points are far too near, and their error says that they fit badly."""
    scene = room.scene()
    wrong = torch.rand(len(scene.points), generator=torch.Generator().manual_seed(0)) < 0.5
    error = torch.where(wrong, 40.0, 0.2)
    sightings = Sightings.of(replace(scene, points=replace(scene.points, error=error)))
    assert float(sightings.weight.sort().values[: len(sightings.weight) // 4].max()) < 0.05
    assert 0.9 < float(sightings.weight.max()) <= 1


def test_sightings_are_where_their_points_are(room):
    scene = room.scene()
    sightings = Sightings.of(replace(scene, points=replace(scene.points, error=torch.ones(len(scene.points)))))
    guidance = sightings.draw(200, torch.Generator().manual_seed(1))
    ends = guidance.rays.origins + guidance.distance[:, None] * guidance.rays.directions
    nearest = torch.cdist(ends, scene.points.xyz).min(dim=1).values
    assert float(nearest.max()) < 0.05  # half a pixel at the far wall
    assert set(sightings.view.tolist()) == set(scene.train)


def test_depth_of_points_that_no_photo_showed_is_refused(ball):
    config = replace(SMALL, losses=replace(SMALL.losses, depth=0.01))
    state = start(ball, config, steps=2)
    with pytest.raises(InputError, match=r"--losses\.depth needs points"):
        list(train(state, ball, TrainConfig(steps=2)))
