"""The surfaces that Gaussians stand for, against brute force and against planes that are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from test_splat import camera, gaussians

from recon.errors import InputError
from recon.models.gaussians import AdaptiveDensity, GaussianConfig, GaussianModel, build_gaussians
from recon.models.gaussians.config import SurfaceTerms
from recon.models.gaussians.flatness import surface_losses
from recon.ops.blocks import pack
from recon.ops.splat import splat, splat_forward
from recon.ops.splat_reference import splat_reference
from recon.ops.surface import gaussian_planes, normals_of_depth, pixel_rays, splat_planes, splat_surface
from recon.types import Batch, Cameras, Gaussians, SurfaceRenderer


def front(size: int = 40) -> Cameras:
    """At the origin, looking along z."""
    side = torch.tensor(size)
    return Cameras(torch.eye(4), torch.full((2,), 1.0 * size), torch.full((2,), size / 2), side, side)


def wall(tilt: float, *, thickness: float = 1e-4) -> Gaussians:
    """Flat Gaussians on the plane through (0, 0, 3) whose normal leans by `tilt` radians to the side."""
    steps = torch.linspace(-3, 3, 31)
    along, up = torch.meshgrid(steps, steps, indexing="ij")
    along, up = along.flatten(), up.flatten()
    c, s = math.cos(tilt), math.sin(tilt)
    means = torch.stack([c * along, up, 3 + s * along], dim=-1)
    count = len(means)
    return Gaussians(
        means=means,
        quats=torch.tensor([math.cos(tilt / 2), 0, -math.sin(tilt / 2), 0]).repeat(count, 1),
        log_scales=torch.tensor([0.2, 0.2, thickness]).log().repeat(count, 1),
        opacity_logits=torch.full((count,), 3.0),
        sh=torch.zeros(count, 1, 3),
    )


def test_the_median_gaussian_is_that_of_brute_force(isa):
    blocks, view = pack(gaussians(250, degree=0, size=0.1)), camera(45, 35)
    median = torch.empty(35, 45, dtype=torch.int32)
    splat_forward(blocks, view, sh_degree=0, median=median)
    expected = splat_reference(blocks.double(), view, sh_degree=0).extras["median"]
    agree = (median == expected).float().mean()
    assert float(agree) > 0.995  # where the light is half to the last digit, rounding decides
    assert bool((median == -1).any())
    assert bool((median >= 0).any())


@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0])
def test_a_wall_of_flat_gaussians_has_the_depth_of_its_plane(isa, tilt):
    view, normal = front(), torch.tensor([math.sin(tilt), 0.0, -math.cos(tilt)])
    surface = splat_surface(pack(wall(tilt)), view)
    expected = (normal[2] * 3) / (pixel_rays(view) @ normal)
    seen = surface.depth > 0
    assert float(seen.float().mean()) > 0.8
    assert float((surface.depth / expected - 1)[seen].abs().max()) < 1e-4
    assert float((surface.normal[seen] @ normal).min()) > 1 - 1e-4


def test_surfaces_stay_near_their_gaussians_where_planes_are_seen_edge_on():
    surface = splat_surface(pack(wall(math.pi / 2 - 1e-3)), front())
    seen = surface.depth > 0
    assert bool(torch.isfinite(surface.depth).all())
    assert float(surface.depth[seen].max()) < 3 + 3 + 3 * 0.2 + 1e-3


def test_no_gaussians_have_no_surface():
    surface = splat_surface(pack(gaussians(0)), front())
    assert bool((surface.depth == 0).all())
    assert bool((surface.normal == 0).all())


def test_planes_pass_gradcheck_and_go_through_their_centres():
    together = torch.cat([torch.randn(5, 3) + torch.tensor([0, 0, 4.0]), torch.randn(5, 7) * 0.5], dim=1).double()
    pose = camera().cam_from_world.double()
    plane, _ = gaussian_planes(together, pose)
    in_camera = together[:, :3] @ pose[:3, :3].T + pose[:3, 3]
    torch.testing.assert_close((plane * in_camera).sum(-1), torch.ones(5).double())
    torch.autograd.gradcheck(lambda rows: gaussian_planes(rows, pose)[0], (together.requires_grad_(),))


def test_a_trained_model_knows_its_surface():
    assert issubclass(GaussianModel, SurfaceRenderer)


def blended(tilt: float = 0.5, view: Cameras | None = None):
    return splat_planes(pack(wall(tilt)), front() if view is None else view)


@pytest.mark.parametrize("tilt", [0.0, 0.5, 1.0])
def test_blended_planes_of_a_wall_are_the_wall(tilt):
    view, normal = front(), torch.tensor([math.sin(tilt), 0.0, -math.cos(tilt)])
    planes = blended(tilt)
    expected = (normal[2] * 3) / (pixel_rays(view) @ normal)
    seen = planes.alpha > 0.5
    assert float((planes.depth / expected - 1)[seen].abs().max()) < 1e-3  # two digits go to the offset of colours
    assert float((planes.normal[seen] @ normal).min()) > 1 - 1e-3
    differences = normals_of_depth(planes.depth, view)[5:-5, 5:-5]
    assert float((differences @ normal)[seen[5:-5, 5:-5]].min()) > 0.99


def test_gradients_of_depth_and_normals_match_brute_force(isa):
    view = camera(45, 35)
    r = torch.Generator().manual_seed(5)
    weights = torch.randn(35, 45, 4, generator=r, dtype=torch.float64)
    grads = []
    for operator, dtype in ((splat, torch.float32), (splat_reference, torch.float64)):
        blocks = pack(gaussians(120, degree=0, size=0.1)).to(dtype).requires_grad_()
        planes = splat_planes(blocks, view, operator=operator)
        dense = (planes.alpha > 0.3).detach()  # the mean over a faint pixel divides by next to nothing
        looked_at = torch.cat([planes.depth[..., None], planes.normal], dim=-1)
        (looked_at * weights.to(dtype))[dense].sum().backward()
        assert blocks.grad is not None
        grads.append(blocks.grad.double())
    for name, part in {
        "means": slice(0, 3),
        "scales": slice(3, 6),
        "quats": slice(6, 10),
        "opacity": slice(10, 11),
    }.items():
        mine, expected = grads[0][:, part], grads[1][:, part]
        # float32 colours hold planes of size 0.3 beside an offset of 100: four digits are left.
        assert float((mine - expected).norm() / expected.norm()) < 5e-3, name


def test_terms_of_surfaces_pull_thick_gaussians_flat_and_turned_ones_back():
    g = wall(0.0, thickness=0.05)
    turned = replace(g, quats=g.quats + 0.15 * torch.randn(g.quats.shape, generator=torch.Generator().manual_seed(0)))
    blocks, view = pack(turned).requires_grad_(), front()
    photo = torch.full((3, 40, 40), 128, dtype=torch.uint8)
    seen = torch.ones(blocks.shape[0] * 16, dtype=torch.bool)
    seen[len(turned) :] = False

    def losses(leaf: torch.Tensor, progress: float) -> dict[str, torch.Tensor]:
        terms = SurfaceTerms(flatness=1.0, consistency=1.0)
        return surface_losses(leaf, view, photo, seen, terms=terms, extent=1.0, progress=progress, antialiased=False)

    assert set(losses(blocks, 0.1)) == {"flatness"}
    before = {name: term.detach() for name, term in losses(blocks, 0.9).items()}
    assert float(before["flatness"]) == pytest.approx(0.05, rel=1e-4)
    leaf = blocks.detach().clone()
    for _ in range(60):
        step = leaf.clone().requires_grad_()
        torch.stack(list(losses(step, 0.9).values())).sum().backward()
        assert step.grad is not None
        leaf = leaf - 0.02 * step.grad.sign() * (step.grad.abs() > 0)
    after = {name: term.detach() for name, term in losses(leaf, 0.9).items()}
    assert float(after["flatness"]) < 0.5 * float(before["flatness"])
    assert float(after["consistency"]) < 0.5 * float(before["consistency"])


def test_planes_behind_the_camera_leave_gradients_finite():
    g = gaussians(64, degree=0)
    behind = replace(g, means=g.means * torch.tensor([1.0, 1.0, 0.0]))
    blocks = pack(behind).requires_grad_()
    planes = splat_planes(blocks, front())
    (planes.depth.sum() + planes.normal.sum()).backward()
    assert blocks.grad is not None
    assert bool(blocks.grad.isfinite().all())


def test_training_for_surfaces_makes_flatter_gaussians(room):
    thickness = []
    for surface in (False, True):
        config = GaussianConfig(surface=surface, sh_degree=0, max_gaussians=2000)
        model = build_gaussians(config, room.scene(), steps=40, seed=0)
        batch = Batch(room.cameras[1], torch.from_numpy(room.rgb[1]), (1,))
        losses = {}
        for step in range(40):
            losses = model.train_step(batch, step)
            model.after_step(step)
        assert ("consistency" in losses) == surface
        assert all(bool(term.isfinite()) for term in losses.values())
        thickness.append(float(model.gaussians().log_scales.amin(dim=1).exp().mean()))
    assert thickness[1] < 0.9 * thickness[0]


def test_surfaces_and_adaptive_density_are_told_apart():
    with pytest.raises(InputError, match="mcmc"):
        GaussianConfig(surface=True, density=AdaptiveDensity())
