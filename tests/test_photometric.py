"""The photometric loss and its gradient, against plain torch in double precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recon.ops.photometric import photometric, photometric_reference, photometric_with_gradient, ssim, ssim_map

SIZES = [(1, 1), (7, 5), (17, 33), (70, 100), (135, 64)]
"""Height and width: a pixel, less than a window, ragged vectors, two bands of rows, four."""
OPTIONS = ["plain", "background", "exposure", "target_alpha", "mask", "everything"]


def images(height: int, width: int, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    rgb = torch.rand(3, height, width, generator=generator)
    alpha = torch.rand(height, width, generator=generator)
    return rgb, alpha, torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def options(which: str, height: int, width: int) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(7)
    weights = [torch.randint(0, 256, (height, width), generator=generator, dtype=torch.uint8) for _ in range(2)]
    everything = {
        "background": torch.rand(3, generator=generator),
        "exposure": torch.eye(3, 4) + 0.1 * torch.randn(3, 4, generator=generator),
        "target_alpha": weights[0],
        "mask": weights[1],
    }
    return {name: value for name, value in everything.items() if which in (name, "everything")}


def doubled(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.double() if value.is_floating_point() else value for name, value in values.items()}


def relative_error(value: Tensor, truth: Tensor) -> float:
    return float((value.double() - truth).norm() / truth.norm().clamp(min=1e-12))


@pytest.mark.parametrize("which", OPTIONS)
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_loss_and_gradients_match_the_reference_in_double(isa, height, width, which):
    rgb, alpha, target = images(height, width)
    given = options(which, height, width)
    learned = [rgb, alpha, *([given["exposure"]] if "exposure" in given else [])]
    single = [value.clone().requires_grad_() for value in learned]
    double = [value.double().requires_grad_() for value in learned]
    cotangent = -1.7

    def loss(function: Any, leaves: list[Tensor], given: dict[str, Any]) -> Tensor:
        exposure = {"exposure": leaves[2]} if len(leaves) == 3 else {}
        return function(leaves[0], leaves[1], target, **(given | exposure))

    value, truth = loss(photometric, single, given), loss(photometric_reference, double, doubled(given))
    (cotangent * value).backward()
    (cotangent * truth).backward()

    assert abs(value.item() - truth.item()) < 2e-6
    for ours, theirs in zip(single, double, strict=True):
        assert ours.grad is not None
        expected = torch.zeros_like(theirs) if theirs.grad is None else theirs.grad
        assert relative_error(ours.grad, expected) < 1e-5


@pytest.mark.parametrize("ssim_weight", [0.0, 0.2, 1.0])
def test_the_two_terms_are_reported_and_weighed(ssim_weight):
    rgb, alpha, target = images(40, 50)
    result = photometric_with_gradient(rgb, alpha, target, ssim_weight=ssim_weight)
    truth = target.double() / 255
    assert abs(result.l1.item() - (rgb.double() - truth).abs().mean().item()) < 1e-6
    assert abs(result.ssim.item() - ssim(rgb.double(), truth).item()) < 1e-6
    weighed = (1 - ssim_weight) * result.l1 + ssim_weight * (1 - result.ssim)
    assert abs(result.loss.item() - weighed.item()) < 1e-6


def test_gradient_keeps_its_digits_where_the_image_is_flat_and_bright():
    # In plain float32 torch the difference of means of squares leaves 6e-5 here.
    generator = torch.Generator().manual_seed(0)
    target = torch.full((3, 90, 120), 200, dtype=torch.uint8)
    rgb = target / 255 + 0.02 * torch.randn(3, 90, 120, generator=generator)
    alpha = torch.ones(90, 120)
    leaf = rgb.double().requires_grad_()
    photometric_reference(leaf, alpha.double(), target, ssim_weight=1.0).backward()
    assert leaf.grad is not None
    assert relative_error(photometric_with_gradient(rgb, alpha, target, ssim_weight=1.0).rgb, leaf.grad) < 1e-5


def test_reference_passes_gradcheck():
    rgb, alpha, target = images(3, 4, seed=3)
    given = doubled(options("everything", 3, 4))
    exposure = given.pop("exposure").requires_grad_()
    leaves = (rgb.double().requires_grad_(), alpha.double().requires_grad_(), exposure)
    assert torch.autograd.gradcheck(
        lambda rgb, alpha, exposure: photometric_reference(rgb, alpha, target, exposure=exposure, **given), leaves
    )


def test_ssim_is_the_windowed_formula_written_as_sums():
    rgb, _, target = images(13, 14)
    x, y = rgb.double(), target.double() / 255
    offset = torch.arange(-5, 6, dtype=torch.float64)
    window = torch.exp(-(offset[:, None] ** 2 + offset[None, :] ** 2) / 4.5)
    window = window / window.sum()
    a, b = x[1, 1:12, 2:13], y[1, 1:12, 2:13]  # around row 6, column 7
    mean_a, mean_b = (window * a).sum(), (window * b).sum()
    variance_a, variance_b = (window * (a - mean_a) ** 2).sum(), (window * (b - mean_b) ** 2).sum()
    covariance = (window * (a - mean_a) * (b - mean_b)).sum()
    expected = (2 * mean_a * mean_b + 1e-4) * (2 * covariance + 9e-4)
    expected = expected / ((mean_a**2 + mean_b**2 + 1e-4) * (variance_a + variance_b + 9e-4))
    assert torch.allclose(ssim_map(x, y)[1, 6, 7], expected, rtol=1e-12)


@pytest.mark.parametrize(("height", "width"), [(270, 480), (37, 21)])
def test_any_number_of_threads_gives_the_same_bits(set_threads, isa, height, width):
    rgb, alpha, target = images(height, width)
    given = options("everything", height, width)
    results = []
    for threads in (1, 2, 3):
        set_threads(threads)
        r = photometric_with_gradient(rgb, alpha, target, **given)
        assert r.exposure is not None
        results.append(torch.cat([r.loss[None], r.rgb.flatten(), r.alpha.flatten(), r.exposure.flatten()]))
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])


def test_an_exact_render_costs_nothing(isa):
    _, alpha, target = images(30, 41)
    result = photometric_with_gradient(target / 255, alpha, target)
    assert result.l1 == 0
    assert abs(result.loss.item()) < 1e-6
    assert result.rgb.abs().max() < 1e-3 / (3 * 30 * 41)  # of the 0.8 / (3 * 30 * 41) that L1 alone can give


def test_pixels_far_behind_a_mask_get_no_gradient():
    rgb, alpha, target = images(60, 70)
    mask = torch.zeros(60, 70, dtype=torch.uint8)
    mask[:, :20] = 255
    result = photometric_with_gradient(rgb, alpha, target, mask=mask)
    assert result.rgb[:, :, 25:].abs().max() == 0  # the window reaches 5 pixels over the mask's border
    assert result.rgb[:, :, :25].abs().min() > 0


def test_a_mask_of_zeros_gives_zero_not_nan():
    rgb, alpha, target = images(9, 9)
    result = photometric_with_gradient(rgb, alpha, target, mask=torch.zeros(9, 9, dtype=torch.uint8))
    assert result.loss == 0
    assert result.rgb.abs().max() == 0


def test_transparent_photo_over_its_background_matches_an_empty_render():
    _, _, target = images(20, 20)
    background = torch.tensor([0.2, 0.7, 0.4])
    result = photometric_with_gradient(
        torch.zeros(3, 20, 20),
        torch.zeros(20, 20),
        target,
        background=background,
        target_alpha=torch.zeros(20, 20, dtype=torch.uint8),
    )
    assert abs(result.loss.item()) < 1e-6


def test_a_gradient_in_the_background_is_refused_not_zero():
    rgb, alpha, target = images(5, 5)
    with pytest.raises(NotImplementedError, match="background"):
        photometric(rgb, alpha, target, background=torch.rand(3, requires_grad=True))
