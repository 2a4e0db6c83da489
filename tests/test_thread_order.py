"""CUDA kernels, emulated: the same bits whichever thread and block comes first, and the CPU kernels' results.

Run by test_simt_operators.py, in a process that has the emulated kernels.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
import torch
from emulator import EMULATED, ORDERS, set_order
from test_splat import camera, gaussians, relative
from torch import Tensor

from recon.ops import device as kernel_choice
from recon.ops.adam import Moments
from recon.ops.blocks import morton_order, pack
from recon.ops.photometric import photometric_with_gradient
from recon.ops.splat import splat, splat_backward_adam, splat_forward
from recon.ops.splat_reference import splat_reference
from recon.types import Cameras, Gaussians

pytestmark = pytest.mark.skipif(EMULATED not in os.environ, reason="run by test_simt_operators.py on emulated kernels")


def piled() -> tuple[Gaussians, Cameras]:
    """Six hundred faint Gaussians before one tile: several segments of pairs."""
    g = gaussians(600, size=0.05)
    means = g.means * torch.tensor([0.02, 0.02, 0.2]) + torch.tensor([0.0, 0.0, 2.4])
    return replace(g, means=means, opacity_logits=g.opacity_logits * 0.1 - 4), camera(33, 18)


def wide() -> tuple[Gaussians, Cameras]:
    """Few Gaussians, each over more tiles than one thread counts, and their neighbours that see none."""
    g = gaussians(40, size=0.6)
    means = g.means.clone()
    means[::3, 2] = -5.0
    return replace(g, means=means, opacity_logits=g.opacity_logits - 2), camera(113, 97)


def outcome(g: Gaussians, view: Cameras, operator=splat, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    """Colour, alpha, depth times alpha, and gradients of blocks and pose for random cotangents."""
    blocks, pose = pack(g).to(dtype).requires_grad_(), view.cam_from_world.to(dtype).clone().requires_grad_()
    render = operator(blocks, replace(view, cam_from_world=pose), sh_degree=3)
    assert render.depth is not None
    r = torch.Generator().manual_seed(1)
    images = [
        render.rgb,
        render.alpha,
        render.depth * render.alpha,
    ]  # depth alone is ill-conditioned where alpha is small
    weights = [torch.randn(image.shape, generator=r).to(dtype) for image in images]
    torch.stack([(image * weight).sum() for image, weight in zip(images, weights, strict=True)]).sum().backward()
    assert blocks.grad is not None
    assert pose.grad is not None
    return [*(image.detach() for image in images), blocks.grad, pose.grad[:3]]


def in_every_order(function, *arguments: object) -> list[Tensor]:
    results = []
    for order in ORDERS:
        set_order(order)
        results.append(function(*arguments))
    set_order("forward")
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    return results[0]


def on_the_cpu(function, *arguments: object):
    emulated = kernel_choice._KERNELS.pop("cpu")
    try:
        return function(*arguments)
    finally:
        kernel_choice._KERNELS["cpu"] = emulated


@pytest.mark.parametrize("scene", [piled, wide])
def test_the_order_of_threads_changes_no_bit_of_a_view(scene) -> None:
    mine = in_every_order(outcome, *scene())
    g, view = scene()
    for a, b in zip(mine, outcome(g, view, splat_reference, torch.float64), strict=True):
        assert relative(a, b) < 1e-5


def step(g: Gaussians, view: Cameras) -> list[Tensor]:
    blocks, r = pack(g), torch.Generator().manual_seed(2)
    moments, stats = Moments.zeros_like(blocks), torch.zeros(len(blocks), 3, 16)
    frame = splat_forward(blocks, view, sh_degree=3)
    splat_backward_adam(
        frame,
        blocks,
        moments,
        grad_rgb=torch.randn(frame.rgb.shape, generator=r),
        grad_alpha=torch.randn(frame.alpha.shape, generator=r),
        learning_rates=torch.full((blocks.shape[1],), 1e-3),
        step=3,
        stats=stats,
        regularise_opacity=0.01,
        regularise_scale=0.01,
    )
    return [blocks - pack(g), moments.first, moments.second, stats]


def test_the_order_of_threads_changes_no_bit_of_a_step() -> None:
    mine, reference = in_every_order(step, *wide()), on_the_cpu(step, *wide())
    assert (
        float((mine[0] - reference[0]).abs().max()) < 1e-4
    )  # Adam's first steps have the size of the rate, whatever g
    for a, b in zip(mine[1:], reference[1:], strict=True):
        assert relative(a, b.double()) < 1e-5


def loss() -> list[Tensor]:
    r = torch.Generator().manual_seed(3)
    photo = (torch.rand(3, 37, 50, generator=r) * 255).to(torch.uint8)
    answer = photometric_with_gradient(
        torch.rand(3, 37, 50, generator=r),
        torch.rand(37, 50, generator=r),
        photo,
        background=torch.rand(3, generator=r),
        mask=(torch.rand(37, 50, generator=r) * 255).to(torch.uint8),
        exposure=torch.eye(3, 4) + 0.1 * torch.rand(3, 4, generator=r),
    )
    assert answer.exposure is not None
    return [answer.l1, answer.ssim, answer.loss, answer.rgb, answer.alpha, answer.exposure]


def test_the_order_of_threads_changes_no_bit_of_the_loss() -> None:
    mine, reference = in_every_order(loss), on_the_cpu(loss)
    for a, b in zip(mine, reference, strict=True):
        assert relative(a, b.double()) < 1e-5


@pytest.mark.parametrize("count", [0, 1, 300])
def test_places_on_the_z_curve_are_those_of_the_cpu(count: int) -> None:
    means = torch.randn(count, 3, generator=torch.Generator().manual_seed(4))
    assert torch.equal(morton_order(means), on_the_cpu(morton_order, means))
