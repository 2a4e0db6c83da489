"""Adam's moments in a byte each: what they can hold, that kernels and Python read them alike, and what they save."""

from __future__ import annotations

import pytest
import torch
from test_splat import gaussians

from recon.models.gaussians.store import GaussianStore
from recon.ops.adam import Moments, adam_step
from recon.ops.blocks import pack
from recon.ops.device import gpu_kernels
from recon.ops.moments import decode_moments, encode_moments, moments_for

BYTES = 400
"""Of persistent state that a Gaussian with three bands of colour may take on a GPU."""


def typical(count: int, seed: int = 0) -> Moments:
    """Moments of gradients between 1e-8 and 1, as steps leave them."""
    r = torch.Generator().manual_seed(seed)
    scale = 10 ** (-8 * torch.rand(count, 23, 16, generator=r))
    first, second = torch.zeros_like(scale), torch.zeros_like(scale)
    for _ in range(50):
        gradient = scale * torch.randn(scale.shape, generator=r)
        first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient**2
    return Moments(first, second)


def test_codes_hold_moments_to_a_few_percent() -> None:
    moments = typical(20)
    coded = encode_moments(moments.first, moments.second)
    back = decode_moments(coded.first, coded.second)
    assert coded.first.element_size() == coded.second.element_size() == 1
    assert float((back.second / moments.second).log2().abs().max()) < 1 / 6 + 1e-3  # half a third of an octave
    # A step moves by first / root of second; that is what must be right.
    step, truth = back.first / back.second.sqrt(), moments.first / moments.second.sqrt()
    assert float((step - truth).norm() / truth.norm()) < 0.1


def test_no_moments_are_code_zero() -> None:
    coded = encode_moments(torch.zeros(1, 23, 16), torch.zeros(1, 23, 16))
    assert not bool(coded.first.any() | coded.second.any())
    back = decode_moments(coded.first, coded.second)
    assert not bool(back.first.any() | back.second.any())


def test_moments_that_stay_on_their_kind_of_device_keep_every_bit() -> None:
    moments = typical(2)
    assert torch.equal(moments_for(moments, torch.device("cpu")).first, moments.first)
    coded = encode_moments(moments.first, moments.second)
    floats = moments_for(coded, torch.device("cpu"))
    again = encode_moments(floats.first, floats.second)
    assert torch.equal(again.second, coded.second)
    assert int((again.first.int() - coded.first.int()).abs().max()) <= 1  # a root of a square may round


def test_the_cpu_refuses_coded_moments_instead_of_misreading_them() -> None:
    if gpu_kernels(torch.zeros(1)) is not None:
        pytest.skip("the CUDA kernels are emulated")
    blocks = torch.zeros(1, 23, 16)
    coded = Moments.zeros_like(blocks, coded=True)
    with pytest.raises(NotImplementedError, match="GPU"):
        adam_step(blocks, blocks, coded, learning_rates=torch.ones(23), step=1)


def test_the_state_of_a_gaussian_fits_into_400_bytes() -> None:
    store = GaussianStore.fresh(pack(gaussians(160)), 160, coded=True)
    tensors = (store.blocks, store.moments.first, store.moments.second, store.stats)
    assert store.blocks.shape[1] == 59
    assert sum(tensor.nbytes for tensor in tensors) / 160 == 59 * (4 + 1 + 1) + 3 * 4 <= BYTES


def test_coded_moments_are_moved_about_like_floats() -> None:
    store = GaussianStore.fresh(pack(gaussians(40)), 40, coded=True)
    store.moments.second.copy_(torch.arange(59)[:, None].expand(59, 16))
    store.append(store.gather(torch.tensor([3, 5])))
    assert store.moments.coded
    assert not bool(store.moments.second[2, :, 8:10].any())  # newcomers have no momentum
    store.remove(torch.arange(42) < 20)
    assert store.count == 22
    assert bool((store.moments.second[0, :, 0] == torch.arange(59)).all())
    store.sort()
    assert store.moments.first.dtype == torch.int8
    store.forget_momentum(torch.tensor([0]))
    assert not bool(store.moments.second[0, :, 0].any())


def test_kernels_round_the_second_moment_without_bias(gpu: torch.device) -> None:
    blocks = torch.zeros(200, 23, 16, device=gpu)
    moments = Moments.zeros_like(blocks, coded=True)
    gradients = torch.full_like(blocks, 0.0137)
    for step in range(1, 6):
        adam_step(blocks, gradients, moments, learning_rates=torch.zeros(23), step=step)
    back = decode_moments(moments.first.cpu(), moments.second.cpu())
    truth = 0.0137**2 * (1 - 0.999**5)
    assert float(back.second.mean()) == pytest.approx(truth, rel=0.005)  # 73 600 draws: a standard error of 0.05 %
    assert float(back.second.std()) > 0.02 * truth  # they were rounded, each its own way
    assert float(back.first.mean()) == pytest.approx(0.0137 * (1 - 0.9**5), rel=0.005)


def test_a_hundred_coded_steps_go_where_floats_go(gpu: torch.device) -> None:
    r = torch.Generator().manual_seed(0)
    coded, plain = (torch.zeros(20, 23, 16, device=gpu) for _ in "12")
    of_coded, of_plain = Moments.zeros_like(coded, coded=True), Moments.zeros_like(plain)
    pull = torch.randn(20, 23, 16, generator=r)
    for step in range(1, 101):
        gradient = (1e-4 * (pull + torch.randn(pull.shape, generator=r))).to(gpu)
        adam_step(coded, gradient, of_coded, learning_rates=torch.full((23,), 1e-2), step=step)
        adam_step(plain, gradient, of_plain, learning_rates=torch.full((23,), 1e-2), step=step)
    # The root of the second moment, in steps of 12 %, wanders; and the mean of 1 / root is a little above 1 / mean.
    assert float((coded - plain).norm() / plain.norm()) < 0.15
    assert float((coded * plain).sum() / plain.square().sum()) == pytest.approx(1, abs=0.04)
