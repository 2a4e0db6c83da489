"""The splatting operator against brute force in double precision, on every instruction set this machine has."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import pytest
import torch
from torch import Tensor

from recon.ops.adam import Moments
from recon.ops.blocks import pack
from recon.ops.splat import splat, splat_backward_adam, splat_forward
from recon.ops.splat_reference import splat_reference
from recon.types import Cameras, Gaussians, Render

PLANES = {
    "means": slice(0, 3),
    "log_scales": slice(3, 6),
    "quats": slice(6, 10),
    "opacity_logits": slice(10, 11),
    "sh": slice(11, None),
}


def gaussians(count: int, *, seed: int = 0, degree: int = 3, size: float = 0.03) -> Gaussians:
    r = torch.Generator().manual_seed(seed)
    means = torch.randn(count, 3, generator=r)
    means[:, 2] += 3
    return Gaussians(
        means=means,
        quats=torch.randn(count, 4, generator=r),
        log_scales=math.log(size) + 0.7 * torch.randn(count, 3, generator=r),
        opacity_logits=torch.randn(count, generator=r) * 2 - 0.3,
        sh=torch.randn(count, (degree + 1) ** 2, 3, generator=r) * 0.3,
    )


def camera(width: int = 61, height: int = 47) -> Cameras:
    """Turned and shifted a little, principal point off centre, different focal lengths."""
    c, s = math.cos(0.1), math.sin(0.1)
    pose = torch.tensor([[c, 0, s, 0.1], [0, 1, 0, -0.05], [-s, 0, c, 0.2], [0, 0, 0, 1]])
    centre = torch.tensor([width / 2 + 1, height / 2 - 2])
    return Cameras(pose, torch.tensor([60.0, 62.0]), centre, torch.tensor(width), torch.tensor(height))


@dataclass(frozen=True)
class Case:
    """What is rendered: hashable, so that the slow reference of a case is worked out once for all instruction sets."""

    count: int = 250
    degree: int = 0
    size: float = 0.03
    antialiased: bool = False
    width: int = 45
    height: int = 35
    piled: bool = False
    """All in front of one tile."""
    of_depth: bool = False
    """The loss looks at depth instead of colour and alpha."""


def outcome(case: Case, operator, dtype: torch.dtype) -> list[Tensor]:
    """Colour, alpha, depth, and the gradients that a random linear loss has in the blocks and in the pose."""
    g, view = gaussians(case.count, degree=case.degree, size=case.size), camera(case.width, case.height)
    if case.piled:
        g = replace(g, means=g.means * torch.tensor([0.02, 0.02, 0.2]) + torch.tensor([0.0, 0.0, 2.4]))
    blocks = pack(g).to(dtype).detach().requires_grad_()
    pose = view.cam_from_world.to(dtype).clone().requires_grad_()
    options = {"sh_degree": case.degree, "antialiased": case.antialiased}
    render: Render = operator(blocks, replace(view, cam_from_world=pose), **options)
    assert render.depth is not None
    r = torch.Generator().manual_seed(1)
    looked_at = [render.depth] if case.of_depth else [render.rgb, render.alpha]
    weights = [torch.randn(image.shape, generator=r, dtype=torch.float64).to(dtype) for image in looked_at]
    torch.stack([(image * weight).sum() for image, weight in zip(looked_at, weights, strict=True)]).sum().backward()
    assert blocks.grad is not None
    assert pose.grad is not None
    return [render.rgb.detach(), render.alpha.detach(), render.depth.detach(), blocks.grad, pose.grad[:3]]


@cache
def expected(case: Case) -> list[Tensor]:
    return outcome(case, splat_reference, torch.float64)


def both(case: Case) -> tuple[list[Tensor], list[Tensor]]:
    """From the kernel, and from the reference in double."""
    return outcome(case, splat, torch.float32), expected(case)


def relative(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b).norm() / b.norm().clamp(min=1e-30))


@pytest.mark.parametrize("antialiased", [False, True])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_image_and_gradients_match_brute_force(isa, degree, antialiased):
    mine, reference = both(Case(degree=degree, antialiased=antialiased))
    assert float((mine[0] - reference[0]).abs().max()) < 2e-6
    assert float((mine[1] - reference[1]).abs().max()) < 2e-6
    assert relative(mine[2], reference[2]) < 1e-5
    for name, planes in PLANES.items():
        assert relative(mine[3][:, planes], reference[3][:, planes]) < 1e-5, name
    assert relative(mine[4], reference[4]) < 1e-5


def test_a_colour_of_fewer_bands_leaves_the_others_alone(isa):
    g = gaussians(60)
    blocks = pack(g).requires_grad_()
    splat(blocks, camera(), sh_degree=1).rgb.sum().backward()
    assert blocks.grad is not None
    assert bool((blocks.grad[:, 11 + 3 * 4 :] == 0).all())
    assert bool((blocks.grad[:, 11 : 11 + 3 * 4] != 0).any())


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (17, 33), (5, 40)])
def test_odd_image_sizes_match_brute_force(isa, width, height):
    mine, reference = both(Case(count=80, size=0.1, width=width, height=height))
    assert float((mine[0] - reference[0]).abs().max()) < 2e-6
    assert relative(mine[3], reference[3]) < 1e-4  # a few pixels see edges of Gaussians only: small sums, more rounding


def test_depth_gradient_matches_brute_force(isa):
    mine, reference = both(Case(of_depth=True))
    # The mean depth is a quotient: its gradients cancel to a tenth of their terms, and float keeps a digit less.
    assert relative(mine[3], reference[3]) < 1e-4


def test_reference_passes_gradcheck():
    blocks = pack(gaussians(3, degree=1, size=0.3)).double()
    view = camera(4, 3)
    visible = blocks[:, :, :3].clone().requires_grad_()
    padding = blocks[:, :, 3:]

    def image(part: Tensor) -> Tensor:
        return splat_reference(torch.cat([part, padding], dim=2), view, sh_degree=1, antialiased=True).rgb

    assert torch.autograd.gradcheck(image, (visible,), eps=1e-7, atol=1e-5, nondet_tol=0)


def test_no_gaussians_render_nothing(isa):
    frame = splat_forward(pack(gaussians(0)), camera(), sh_degree=3)
    assert bool((frame.rgb == 0).all())
    assert bool((frame.alpha == 0).all())


def test_hidden_gaussians_do_not_change_the_image(isa):
    g = gaussians(50)
    behind = replace(g, means=g.means * torch.tensor([1.0, 1.0, -1.0]) - torch.tensor([0.0, 0.0, 5.0]))
    faint = replace(g, opacity_logits=torch.full((50,), -6.0))
    for hidden in (behind, faint):
        frame = splat_forward(pack(hidden), camera(), sh_degree=3)
        assert frame.seen_count == 0
        assert float(frame.alpha.max()) == 0


def test_broken_gaussians_do_not_reach_the_image(isa):
    g = gaussians(64)
    clean = splat_forward(
        pack(replace(g, opacity_logits=g.opacity_logits.index_fill(0, torch.tensor([3]), -1e4))), camera(), sh_degree=3
    )
    means = g.means.clone()
    means[3] = float("nan")
    broken = splat_forward(pack(replace(g, means=means)), camera(), sh_degree=3)
    assert torch.equal(clean.rgb, broken.rgb)


def test_a_needle_across_the_image_is_finite(isa):
    g = gaussians(16)
    needle = replace(g, log_scales=torch.tensor([[3.0, -9.0, -9.0]]).expand(16, 3).contiguous())
    blocks = pack(needle).requires_grad_()
    splat(blocks, camera(), sh_degree=3).rgb.sum().backward()
    assert blocks.grad is not None
    assert bool(torch.isfinite(blocks.grad).all())


def test_everything_in_one_tile_matches_brute_force(isa):
    mine, reference = both(Case(size=0.05, piled=True))
    assert float((mine[0] - reference[0]).abs().max()) < 2e-6
    assert relative(mine[3], reference[3]) < 3e-5  # 250 deep: what lies behind a pixel is a difference of long sums


def test_the_number_of_threads_changes_no_bit(set_threads):
    g, view = gaussians(3000, size=0.02), camera(130, 90)
    results = []
    for threads in (1, 2, 3, 5):
        set_threads(threads)
        blocks = pack(g).requires_grad_()
        pose = view.cam_from_world.clone().requires_grad_()
        render = splat(blocks, replace(view, cam_from_world=pose), sh_degree=3)
        (render.rgb.square().sum() + render.alpha.square().sum()).backward()
        results.append((render.rgb.detach().clone(), blocks.grad, pose.grad))
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_fused_adam_moves_only_what_was_seen():
    g = gaussians(500)
    blocks = pack(g)
    before, moments = blocks.clone(), Moments(torch.zeros_like(blocks), torch.zeros_like(blocks))
    frame = splat_forward(blocks, camera(), sh_degree=3)
    seen = frame.seen(blocks.shape[0] * 16).reshape(-1, 16)
    assert 0 < int(seen.sum()) < 500
    splat_backward_adam(
        frame,
        blocks,
        moments,
        grad_rgb=torch.ones_like(frame.rgb),
        grad_alpha=torch.ones_like(frame.alpha),
        learning_rates=torch.full((blocks.shape[1],), 1e-3),
        step=1,
    )
    moved = (blocks != before).any(dim=1)
    assert bool((moved <= seen).all())
    assert float((moved == seen).float().mean()) > 0.99  # a seen Gaussian that no pixel centre takes has no gradient
    assert bool((moments.first.abs().sum(dim=1)[~seen] == 0).all())


def test_absolute_screen_gradient_is_the_sum_over_pixels():
    """One Gaussian, a loss that pulls its two halves apart: the gradients cancel, their absolute values do not."""
    g = Gaussians(
        means=torch.tensor([[0.0, 0.0, 2.0]]),
        quats=torch.tensor([[1.0, 0.0, 0.0, 0.0]]),
        log_scales=torch.full((1, 3), math.log(0.1)),
        opacity_logits=torch.zeros(1),
        sh=torch.ones(1, 1, 3),
    )
    view = Cameras(torch.eye(4), torch.full((2,), 60.0), torch.tensor([16.0, 16.0]), torch.tensor(32), torch.tensor(32))
    blocks = pack(g)
    stats = torch.zeros(1, 3, 16)
    moments = Moments(torch.zeros_like(blocks), torch.zeros_like(blocks))
    frame = splat_forward(blocks, view, sh_degree=0)
    zero = torch.zeros(blocks.shape[1])
    splat_backward_adam(
        frame,
        blocks,
        moments,
        grad_rgb=torch.ones_like(frame.rgb),
        grad_alpha=torch.zeros_like(frame.alpha),
        learning_rates=zero,
        step=1,
        stats=stats,
    )
    assert float(moments.first[0, :2, 0].abs().max()) < 1e-4  # symmetric: no net pull
    # sum |d colour / dx| = 3 c o sum |dx / s^2 exp(-r^2 / 2 s^2)| = 3 c o * 4 s, with s^2 = (0.1 * 60 / 2)^2 + 0.3
    s, colour = math.sqrt(9 + 0.3), 0.5 + 0.28209479
    expected = 3 * colour * 0.5 * (2 * s * math.sqrt(2 * math.pi)) * math.sqrt(2) * 16
    assert float(stats[0, 0, 0]) == pytest.approx(expected, rel=0.02)  # the tail below 1/255 is cut
    assert float(stats[0, 1, 0]) == 1
    assert bool((stats[0, :, 1:] == 0).all())
