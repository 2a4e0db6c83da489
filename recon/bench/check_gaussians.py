"""What is checked of the operators on Gaussians: rendering, the loss, Adam, Monte Carlo density, order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from recon.bench.checks import Check, Compared, largest, relative, with_gradients
from recon.bench.inputs import AWKWARD, REGIMES, Input, awkward, made_up
from recon.ops.adam import Moments, adam_step, adam_step_reference
from recon.ops.blocks import COLOURS, LOG_SCALES, MEANS, OPACITIES, QUATS, morton_order, pack
from recon.ops.mcmc import add_noise, add_noise_reference, relocate, relocate_reference
from recon.ops.photometric import photometric, photometric_reference
from recon.ops.splat import splat, splat_backward_adam, splat_forward
from recon.ops.splat_reference import splat_reference
from recon.types import Render

__all__ = ["gaussian_checks"]

_PARTS = {"means": MEANS, "log scales": LOG_SCALES, "quaternions": QUATS, "opacities": OPACITIES, "colours": COLOURS}
_IMAGE, _GRADIENT, _DEPTH = 2e-6, 1e-5, 1e-4
"""Depth is a quotient: its gradients cancel to a tenth of their terms."""
_AWKWARD_GRADIENT, _NEEDLE = 1e-4, 5.0
"""Edges of Gaussians only, or hundreds of them deep: small sums of large terms. A needle's inverse covariance cancels
by as much as it is thin, which costs float32 digits: so many times the tolerance."""


def gaussian_checks() -> list[Check]:
    """Everything about Gaussians, the awkward inputs too."""
    checks = [_splat(made_up(regime, 144, 45, 35), antialiased=regime == "trained") for regime in REGIMES]
    checks += [
        _splat(awkward(kind, 112, 32, 24), gradient=_AWKWARD_GRADIENT, slack=_NEEDLE if kind == "needles" else 1.0)
        for kind in AWKWARD
    ]
    checks.append(Check("backward and Adam", "trained 300 61x47", _fused))
    checks += [
        Check(
            "loss", "odd size, mask, transparency" if hard else "70x50", lambda device, hard=hard: _loss(device, hard)
        )
        for hard in (False, True)
    ]
    return [
        *checks,
        Check("Adam", "37 blocks, 10 steps", _adam),
        Check("noise", "trained 1000", _noise),
        Check("relocation", "500, up to 51 copies", _relocation),
        Check("Morton order", "4000 points", _order),
    ]


def _splat(view: Input, *, gradient: float = _GRADIENT, antialiased: bool = False, slack: float = 1.0) -> Check:
    def compare(device: torch.device) -> Sequence[Compared]:
        blocks, camera = pack(view.gaussians), view.cameras[0]
        degree = view.gaussians.sh_degree

        def outputs(render: Render) -> Sequence[Tensor]:
            return [render.rgb, render.alpha]

        def mine(blocks: Tensor, pose: Tensor) -> Sequence[Tensor]:
            seen = replace(camera, cam_from_world=pose)
            return outputs(splat(blocks.to(device), seen, sh_degree=degree, antialiased=antialiased))

        def reference(blocks: Tensor, pose: Tensor) -> Sequence[Tensor]:
            seen = replace(camera, cam_from_world=pose)
            return outputs(splat_reference(blocks, seen, sh_degree=degree, antialiased=antialiased))

        images, grads = with_gradients(mine, [blocks, camera.cam_from_world])
        true_images, true_grads = with_gradients(reference, [blocks.double(), camera.cam_from_world.double()])
        compared = [
            Compared("colour, largest", largest(images[0], true_images[0]), slack * _IMAGE),
            Compared("alpha, largest", largest(images[1], true_images[1]), slack * _IMAGE),
        ]
        for name, planes in _PARTS.items():
            error = relative(grads[0][:, planes], true_grads[0][:, planes])
            compared.append(Compared(f"gradient of {name}", error, slack * gradient))
        return [*compared, Compared("gradient of the pose", relative(grads[1], true_grads[1]), slack * gradient)]

    return Check("splat", view.name + (" antialiased" if antialiased else ""), compare)


def _fused(device: torch.device) -> Sequence[Compared]:
    """One fused step from nothing against the reference's gradient put through the reference's Adam."""
    view = made_up("trained", 300, 61, 47)
    camera, degree = view.cameras[0], view.gaussians.sh_degree
    blocks = pack(view.gaussians)
    rates = torch.linspace(1e-3, 1e-2, blocks.shape[1])
    true_blocks = blocks.double().requires_grad_()
    render = splat_reference(true_blocks, camera, sh_degree=degree)
    generator = torch.Generator().manual_seed(1)
    grad_rgb = torch.randn(3, 47, 61, generator=generator)
    (render.rgb.permute(2, 0, 1) * grad_rgb.double()).sum().backward()
    assert true_blocks.grad is not None
    mine, moments = blocks.to(device, copy=True), Moments.zeros_like(blocks.to(device))
    frame = splat_forward(mine, camera, sh_degree=degree)
    splat_backward_adam(
        frame,
        mine,
        moments,
        grad_rgb=grad_rgb.to(device),
        grad_alpha=torch.zeros(47, 61, device=device),
        learning_rates=rates,
        step=1,
    )
    grads = true_blocks.grad
    # The first moment is a tenth of the gradient; the step itself is that gradient's sign, which tells much less.
    return [
        Compared("first moment", relative(moments.first, 0.1 * grads), _GRADIENT),
        Compared("second moment", relative(moments.second, 0.001 * grads**2), 2 * _GRADIENT),
        Compared("step, largest", largest(mine.cpu() - blocks, _first_step(grads, rates)), 2e-5),
    ]


def _first_step(grads: Tensor, rates: Tensor) -> Tensor:
    """Adam's first step from zero moments, in double."""
    return -rates.double()[:, None] * grads / (grads.abs() + 1e-15)


def _loss(device: torch.device, hard: bool) -> Sequence[Compared]:
    height, width = (41, 67) if hard else (50, 70)
    r = torch.Generator().manual_seed(2)
    rgb, alpha = torch.rand(3, height, width, generator=r), torch.rand(height, width, generator=r)
    target, *extras = (
        torch.randint(0, 256, shape, generator=r, dtype=torch.uint8)
        for shape in ((3, height, width), (height, width), (height, width))
    )
    background, exposure = torch.rand(3, generator=r), torch.eye(3, 4) + 0.1 * torch.randn(3, 4, generator=r)
    options: dict[str, Any] = {"background": background, "target_alpha": extras[0], "mask": extras[1]}
    options = options if hard else {}

    def mine(rgb: Tensor, alpha: Tensor, exposure: Tensor) -> Sequence[Tensor]:
        placed = {name: tensor.to(device) for name, tensor in options.items()}
        moved = [part.to(device) for part in (rgb, alpha, target)]
        return [photometric(*moved, exposure=exposure.to(device) if hard else None, **placed)]

    def reference(rgb: Tensor, alpha: Tensor, exposure: Tensor) -> Sequence[Tensor]:
        same = {name: tensor.double() if tensor.is_floating_point() else tensor for name, tensor in options.items()}
        return [photometric_reference(rgb, alpha, target, exposure=exposure if hard else None, **same)]

    leaves = [rgb, alpha, exposure]
    (loss,), grads = with_gradients(mine, leaves)
    (true_loss,), true_grads = with_gradients(reference, [leaf.double() for leaf in leaves])
    compared = [Compared("loss", largest(loss, true_loss), 2e-6)]
    for name, grad, true_grad in zip(("colour", "alpha", "exposure"), grads, true_grads, strict=True):
        compared.append(Compared(f"gradient of {name}", relative(grad, true_grad), 1e-5))
    return compared


def _adam(device: torch.device) -> Sequence[Compared]:
    r = torch.Generator().manual_seed(3)
    blocks = torch.randn(37, 59, 16, generator=r)
    rates = torch.rand(59, generator=r) * 1e-2
    mine, true = blocks.to(device, copy=True), blocks.double()
    my_moments, true_moments = Moments.zeros_like(mine), Moments.zeros_like(true)
    for step in range(1, 11):
        grads = torch.randn(blocks.shape, generator=r)
        seen = torch.rand(37 * 16, generator=r) < 0.7
        adam_step(mine, grads.to(device), my_moments, learning_rates=rates, step=step, seen=seen.to(device))
        adam_step_reference(true, grads.double(), true_moments, learning_rates=rates.double(), step=step, seen=seen)
    return [
        Compared("parameters moved", relative(mine.cpu() - blocks, true - blocks), 2e-5),  # a difference of floats
        Compared("first moment", relative(my_moments.first, true_moments.first), 1e-6),
        Compared("second moment", relative(my_moments.second, true_moments.second), 1e-6),
    ]


def _noise(device: torch.device) -> Sequence[Compared]:
    blocks = pack(made_up("trained", 1000, 480, 270).gaussians)
    mine, true = blocks.to(device, copy=True), blocks.double()
    add_noise(mine, scale=100.0, seed=5, step=77)
    add_noise_reference(true, scale=100.0, seed=5, step=77)
    moved, truly = mine.cpu().double() - blocks.double(), true - blocks.double()
    return [Compared("positions moved", relative(moved, truly), 1e-4)]  # a difference of floats


def _relocation(device: torch.device) -> Sequence[Compared]:
    r = torch.Generator().manual_seed(6)
    opacities, scales = torch.rand(500, generator=r), torch.rand(500, 3, generator=r) + 1e-3
    copies = torch.randint(1, 52, (500,), generator=r)
    mine = relocate(opacities.to(device), scales.to(device), copies.to(device))
    true = relocate_reference(opacities, scales, copies)
    return [
        Compared("opacities", relative(mine.opacities, true.opacities), 1e-5),
        Compared("scales", relative(mine.scales, true.scales), 1e-5),
    ]


def _order(device: torch.device) -> Sequence[Compared]:
    """Exactly the order of keys whose bits are interleaved one by one."""
    points = torch.rand(4000, 3, generator=torch.Generator().manual_seed(7))
    low, high = points.sort(dim=0).values[[40, 3959]]
    cells = ((points - low) / (high - low) * 1023.0).clamp(0, 1023).long()
    keys = sum((cells[:, axis] >> bit & 1) << (3 * bit + axis) for bit in range(10) for axis in range(3))
    assert isinstance(keys, Tensor)
    expected = torch.sort(keys, stable=True).indices
    return [Compared("places", float((morton_order(points.to(device)).cpu() != expected).sum()), 0.0)]
