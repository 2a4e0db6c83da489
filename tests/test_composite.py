"""Compositing packed samples, and their distortion, against plain torch in double precision and against nerfacc."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon.ops.composite import composite, composite_reference, distortion, distortion_reference
from recon.ops.march import Samples


def packed(counts: list[int], seed: int = 0) -> Samples:
    generator = torch.Generator().manual_seed(seed)
    n = sum(counts)
    rays = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    t1 = (torch.rand(n, generator=generator) * 0.1 + 0.01).cumsum(dim=0)
    width = torch.rand(n, generator=generator) * 0.01 + 0.002
    offsets = torch.tensor([0, *counts]).cumsum(dim=0)
    return Samples(offsets, rays.int(), t1 - width, t1, len(counts))


COUNTS = [0, 1, 5, 16, 0, 33, 100, 7, 0]


def field(n: int, *, dense: float = 100.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(n, generator=generator) ** 4 * dense, torch.rand(n, 3, generator=generator)


def relative_error(value: Tensor | None, truth: Tensor | None) -> float:
    assert value is not None
    assert truth is not None
    return float((value.detach().double() - truth.detach()).norm() / truth.detach().norm().clamp(min=1e-12))


@pytest.mark.parametrize("dense", [0.01, 100.0, 3000.0])
def test_pixels_and_gradients_match_the_reference_in_double(isa, dense):
    samples = packed(COUNTS)
    density, rgb = leaves = [value.requires_grad_() for value in field(len(samples), dense=dense)]
    density_truth, rgb_truth = truths = [value.detach().double().requires_grad_() for value in leaves]
    out, expected = composite(density, rgb, samples), composite_reference(density_truth, rgb_truth, samples)
    generator = torch.Generator().manual_seed(4)
    cotangents = [torch.randn(value.shape, generator=generator) for value in out]
    torch.autograd.backward([*out], cotangents)
    torch.autograd.backward([*expected], [value.double() for value in cotangents])
    for value, truth in zip([*out, *(v.grad for v in leaves)], [*expected, *(v.grad for v in truths)], strict=True):
        assert relative_error(value, truth) < 1e-5


def test_only_asked_outputs_need_a_gradient():
    samples = packed(COUNTS)
    density, rgb = (value.requires_grad_() for value in field(len(samples)))
    composite(density, rgb, samples).depth.sum().backward()
    truth = field(len(samples))[0].double().requires_grad_()
    composite_reference(truth, rgb.detach().double(), samples).depth.sum().backward()
    assert relative_error(density.grad, truth.grad) < 1e-5
    assert rgb.grad is not None
    assert (rgb.grad == 0).all()


def test_a_sample_behind_an_opaque_one_has_no_weight_and_no_gradient(isa):
    samples = packed([40])
    density, rgb = (value.requires_grad_() for value in field(40))
    with torch.no_grad():
        density[20] = 1e6
    out = composite(density, rgb, samples)
    out.rgb.sum().backward()
    assert density.grad is not None
    assert rgb.grad is not None
    assert out.weights[:21].min() > 0
    assert (out.weights[21:] == 0).all()
    assert (density.grad[21:] == 0).all()
    assert (rgb.grad[21:] == 0).all()
    torch.testing.assert_close(out.alpha, torch.ones(1))


def test_rays_without_samples_are_empty():
    out = composite(torch.zeros(0), torch.zeros(0, 3), packed([0, 0]))
    assert out.rgb.tolist() == [[0, 0, 0]] * 2
    assert out.alpha.tolist() == [0, 0]
    assert out.depth.tolist() == [0, 0]


def test_pixels_depths_and_gradients_are_those_of_nerfacc():
    """Its batched functions: those for packed samples need CUDA."""
    volrend = pytest.importorskip("nerfacc.volrend")
    samples, behind = packed([50] * 6), torch.tensor([0.2, 0.9, 0.4])
    cotangents = [torch.randn(shape, generator=torch.Generator().manual_seed(4)) for shape in ((6, 3), (6,), (6,))]
    density, rgb = ours = [value.requires_grad_() for value in field(300, dense=20)]

    out = composite(density, rgb, samples, min_transmittance=0.0)
    pixels = [out.rgb + (1 - out.alpha)[:, None] * behind, out.alpha, out.depth / out.alpha]
    torch.autograd.backward(pixels, cotangents)

    density, rgb = theirs = [value.detach().clone().requires_grad_() for value in ours]
    rows = (samples.t0.view(6, 50), samples.t1.view(6, 50))
    colours, opacities, depths, extras = volrend.rendering(
        *rows, rgb_sigma_fn=lambda *_: (rgb.view(6, 50, 3), density.view(6, 50)), render_bkgd=behind
    )
    expected = [colours, opacities[:, 0], depths[:, 0]]
    torch.autograd.backward(expected, cotangents)

    torch.testing.assert_close(out.weights.view(6, 50), extras["weights"], rtol=1e-4, atol=1e-6)
    for value, other in zip([*pixels, *(v.grad for v in ours)], [*expected, *(v.grad for v in theirs)], strict=True):
        assert relative_error(value, other) < 1e-5  # both add up in float


def test_distortion_and_its_gradient_match_the_reference_in_double(isa):
    samples = packed(COUNTS)
    weights = torch.rand(len(samples), generator=torch.Generator().manual_seed(1)).requires_grad_()
    truth = weights.detach().double().requires_grad_()
    cotangent = torch.randn(len(COUNTS), generator=torch.Generator().manual_seed(2))
    value, expected = distortion(weights, samples, scale=0.3), distortion_reference(truth, samples, scale=0.3)
    value.backward(cotangent)
    expected.backward(cotangent.double())
    assert relative_error(value, expected) < 1e-6
    assert relative_error(weights.grad, truth.grad) < 1e-6


def test_the_references_pass_gradcheck():
    samples = packed([0, 3, 6])
    samples = replace(samples, t0=samples.t0.double(), t1=samples.t1.double())
    density, rgb = (value.double().requires_grad_() for value in field(9))

    def render(density: Tensor, rgb: Tensor) -> tuple[Tensor, ...]:
        out = composite_reference(density, rgb, samples)
        return *out, distortion_reference(out.weights, samples)

    assert torch.autograd.gradcheck(render, (density, rgb))
