"""Adam's moments in a byte each, as the CUDA kernels keep them (cuda/math/moment.h), and back to floats.

The second moment is a logarithm in thirds of an octave; the first is a signed share of the second's root, on a
quadratic scale. Kernels round at random. Here codes are made only when a state moves to a GPU, rounded to the nearest.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int8, UInt8
from torch import Tensor

from recon.ops.adam import Moments

__all__ = ["decode_moments", "encode_moments", "moments_for"]

_STEPS, _LOWEST = 3.0, -80.0
"""Codes of the second moment an octave, and the logarithm of code 1."""
_LARGEST = 7.3
"""|first| / sqrt(second) at code 127; Adam's averages with 0.9 and 0.999 never exceed it."""


def moments_for(moments: Moments, device: torch.device) -> Moments:
    """These moments as the kernels of a device want them: codes on a GPU, floats on the CPU."""
    first, second = moments.first.to(device), moments.second.to(device)
    here = Moments(first, second)
    if device.type == "cuda":
        return here if here.coded else encode_moments(first, second)
    return decode_moments(first, second) if here.coded else here


def decode_moments(first: Int8[Tensor, "b c 16"], second: UInt8[Tensor, "b c 16"]) -> Moments:
    """Floats of the codes."""
    square = _second(second)
    root = first.float() / 127
    return Moments(root * root.abs() * _LARGEST * square.sqrt(), square)


def encode_moments(first: Float[Tensor, "b c 16"], second: Float[Tensor, "b c 16"]) -> Moments:
    """The nearest codes, in the steps of their scales."""
    place = ((second.log2() - _LOWEST) * _STEPS).clamp(0, 254).round() + 1
    codes = torch.where(second > 0, place, 0).to(torch.uint8)
    share = first.abs() / (_second(codes).sqrt() * _LARGEST)
    root = (share.clamp(max=1).sqrt() * 127).round() * first.sign()
    return Moments(torch.where(codes > 0, root, 0).to(torch.int8), codes)


def _second(codes: UInt8[Tensor, "b c 16"]) -> Float[Tensor, "b c 16"]:
    return torch.where(codes > 0, torch.exp2((codes.float() - 1) / _STEPS + _LOWEST), 0)
