"""Points on a sphere around all that is known: what no photo shows gets the colours beside it, and is no black hole."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from recon.types import Cameras, Points

__all__ = ["backdrop"]

_BEYOND = 1.3
"""The radius, times the distance within which most points lie."""
_MOST = 0.98
_NARROW = 20.0
"""Points count by exp(_NARROW cos): one that lies 26 degrees away by a seventh."""
_ASKED = 4000
"""Points that colours are taken from."""


def backdrop(known: Points, cameras: Cameras, *, count: int, seed: int) -> Points:
    """`count` points around the middle of the cameras, evenly spread, coloured by the `known` ones in their direction.

    None where nothing is known.
    """
    if count == 0 or len(known) == 0:
        return Points(torch.empty(0, 3), torch.empty(0, 3, dtype=torch.uint8))
    middle = cameras.position.mean(dim=0)
    chosen = torch.randperm(len(known), generator=torch.Generator().manual_seed(seed))[:_ASKED]
    away = known.xyz[chosen] - middle
    distance = away.norm(dim=1)
    towards = _evenly(count)
    near = (_NARROW * towards @ (away / distance.clamp(min=1e-9)[:, None]).T).softmax(dim=1)
    radius = _BEYOND * float(distance.quantile(_MOST))
    return Points(middle + radius * towards, (near @ known.rgb[chosen].float()).round().byte())


def _evenly(count: int) -> Float[Tensor, "p 3"]:
    """Unit vectors on a spiral, each with the same share of the sphere. Source: Swinbank & Purser 2006."""
    index = torch.arange(count) + 0.5
    z, turn = 1 - 2 * index / count, math.pi * (1 + 5**0.5) * index
    wide = (1 - z * z).clamp(min=0).sqrt()
    return torch.stack([wide * turn.cos(), wide * turn.sin(), z], dim=1)
