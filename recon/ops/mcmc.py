"""What density control by Markov chain Monte Carlo does to Gaussians: noise on positions, and relocation.

Source: Kheradmand et al. 2024, "3D Gaussian Splatting as Markov Chain Monte Carlo", eq. 8 and 9. The noise comes from
Philox4x32-10 (Salmon et al. 2011), counted by step and Gaussian and keyed by the seed, so that it is the same for any
number of threads and after a restart.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.ops.device import gpu_kernels, stream_of
from recon.ops.native import native

__all__ = [
    "Relocated",
    "add_noise",
    "add_noise_reference",
    "philox",
    "relocate",
    "relocate_reference",
    "standard_normals",
]

NOISE_SHARPNESS = 100.0
"""k of eq. 8."""
NOISE_OPACITY = 0.005
"""t of eq. 8: Gaussians more opaque than this hardly move."""
PADDING_LOGIT = -1e3
"""Opacity logits below are those of a block's unused places, which stay where they are."""
LARGEST_OPACITY = 1 - 1e-6
"""Eq. 9 has no finite answer for an opacity of 1."""


class Relocated(NamedTuple):
    """What each of N Gaussians in one place must be to look together like the one that was there."""

    opacities: Float[Tensor, "g"]
    scales: Float[Tensor, "g 3"]


def add_noise(blocks: Float[Tensor, "b c 16"], *, scale: float, seed: int, step: int) -> None:
    """Shake the positions, in place: `scale` times sigmoid(-k (opacity - t)) times covariance times a standard normal.

    `scale` is the learning rate of the positions times the paper's noise rate (5e5). Gaussians so opaque that they
    would move by less than 1e-10 of `scale` times their variance do not move.
    """
    kernels = gpu_kernels(blocks)
    if kernels is not None:
        kernels.cuda_mcmc_noise(blocks.detach(), scale, seed, step, stream_of(blocks))
    else:
        native().mcmc_noise(blocks.detach(), scale, seed, step, torch.get_num_threads())


def add_noise_reference(blocks: Float[Tensor, "b c 16"], *, scale: float, seed: int, step: int) -> None:
    """`add_noise`, written to be read, for any floating type."""
    values = blocks.detach()
    planes = values.transpose(1, 2).flatten(0, 1)
    variances = (2 * planes[:, 3:6]).exp()
    rotation = _rotations(planes[:, 6:10])
    strength = torch.sigmoid(-NOISE_SHARPNESS * (torch.sigmoid(planes[:, 10]) - NOISE_OPACITY))
    normal = standard_normals(len(planes), seed=seed, step=step).to(planes)
    noise = torch.einsum("gij,gj,gkj,gk->gi", rotation, variances, rotation, normal)
    noise = torch.where(planes[:, 10:11] >= PADDING_LOGIT, scale * strength[:, None] * noise, 0)
    values[:, :3] += noise.view(len(blocks), 16, 3).transpose(1, 2)


def relocate(opacities: Float[Tensor, "g"], scales: Float[Tensor, "g 3"], copies: Int[Tensor, "g"]) -> Relocated:
    """Opacity and scales of each of `copies` Gaussians that take the place of one, after the activations.

    `copies` counts the original too: 1 changes nothing. The reference implementation caps it at 51; so should callers.
    """
    result = Relocated(torch.empty_like(opacities), torch.empty_like(scales))
    opacities = opacities.detach().clamp(max=LARGEST_OPACITY)
    arguments = (opacities, scales.detach().contiguous(), copies.long(), result.opacities, result.scales)
    kernels = gpu_kernels(opacities, scales, copies)
    if kernels is not None:
        kernels.cuda_mcmc_relocate(*arguments, stream_of(opacities))
    else:
        native().mcmc_relocate(*arguments)
    return result


def relocate_reference(
    opacities: Float[Tensor, "g"], scales: Float[Tensor, "g 3"], copies: Int[Tensor, "g"]
) -> Relocated:
    """`relocate` as eq. 9 has it, in double."""
    new_opacities, factors = [], []
    for opacity, count in zip(opacities.double().clamp(max=LARGEST_OPACITY).tolist(), copies.tolist(), strict=True):
        new = 1 - (1 - opacity) ** (1 / count)
        total = sum(
            math.comb(i - 1, k) * (-1) ** k * new ** (k + 1) / math.sqrt(k + 1)
            for i in range(1, count + 1)
            for k in range(i)
        )
        new_opacities.append(new)
        factors.append(opacity / total)
    factor = torch.tensor(factors, dtype=torch.float64).view(-1, 1)
    return Relocated(torch.tensor(new_opacities, dtype=torch.float64), scales.double() * factor)


def standard_normals(count: int, *, seed: int, step: int) -> Float[Tensor, "g 3"]:
    """The three normal deviates of each Gaussian at a step, in double: Box & Muller 1958 on 24 bits of Philox.

    A word's high 24 bits are the radius; another's are the angle within a quarter turn, and its low 2 bits the quarter.
    """
    index = torch.arange(count)
    counter = torch.stack([index, *(torch.full_like(index, word) for word in (step & _WORD, step >> 32, 0))])
    words = philox(counter, (seed & _WORD, seed >> 32))
    radius = (-2 * (((words[0::2] >> 8) + 0.5) * 2.0**-24).double().log()).sqrt()
    quarters = (words[1::2] & 3) + ((words[1::2] >> 8).double() + 0.5) * 2.0**-24 - 0.5
    angle = quarters * (math.pi / 2)
    x, z = radius * angle.cos()
    y, _ = radius * angle.sin()
    return torch.stack([x, y, z], dim=1)


_WORD = 0xFFFFFFFF


def philox(counter: Int[Tensor, "4 n"], key: tuple[int, int]) -> Int[Tensor, "4 n"]:
    """Philox4x32-10: four random 32-bit words for each counter of four."""
    a, b, c, d = counter
    key0, key1 = key
    for _ in range(10):
        first, second = a * 0xD2511F53, c * 0xCD9E8D57
        high0, high1 = (first >> 32) & _WORD, (second >> 32) & _WORD
        a, b, c, d = high1 ^ b ^ key0, second & _WORD, high0 ^ d ^ key1, first & _WORD
        key0, key1 = (key0 + 0x9E3779B9) & _WORD, (key1 + 0xBB67AE85) & _WORD
    return torch.stack([a, b, c, d])


def _rotations(quats: Float[Tensor, "g 4"]) -> Float[Tensor, "g 3 3"]:
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    flat = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(flat, dim=-1).view(-1, 3, 3)
