"""What changes while training goes on, as functions of progress (0 at the start, 1 at the end)."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.gaussians.config import Rates
from recon.ops.blocks import LOG_SCALES, MEANS, OPACITIES, QUATS, planes_of

__all__ = ["active_degree", "budget_at", "decayed", "plane_rates", "refinements_due"]


def decayed(start: float, left: float, progress: float) -> float:
    """`start` falling exponentially to `start * left` at the end."""
    return start * left ** min(max(progress, 0.0), 1.0)


def plane_rates(rates: Rates, *, sh_degree: int, extent: float, progress: float) -> Float[Tensor, "c"]:
    """Learning rate of every plane of a block. `extent` in world units."""
    together = torch.empty(planes_of(sh_degree))
    colour = decayed(rates.colour, rates.end, progress)
    together[MEANS] = decayed(rates.position * extent, rates.position_end, progress)
    together[LOG_SCALES] = decayed(rates.scale, rates.end, progress)
    together[QUATS] = decayed(rates.rotation, rates.end, progress)
    together[OPACITIES] = decayed(rates.opacity, rates.end, progress)
    together[11:14] = colour
    together[14:] = colour * rates.detail
    return together


def active_degree(progress: float, *, sh_degree: int, bands_by: float) -> int:
    """Bands of colour in use: one after another, evenly, all of them from `bands_by` on."""
    if progress >= bands_by:
        return sh_degree
    return min(int(progress / bands_by * (sh_degree + 1)), sh_degree)


def refinements_due(progress: float, *, start: float, stop: float, refinements: int) -> int:
    """How many refinements should have happened: none before `start`, all of them from `stop` on."""
    if progress < start:
        return 0
    return min(1 + int((progress - start) / max(stop - start, 1e-9) * (refinements - 1)), refinements)


def budget_at(progress: float, *, first: int, most: int, start: float, full: float) -> int:
    """Gaussians wanted at this point: from `first` to `most`, growing by the same factor in equal times."""
    if first >= most or progress >= full:
        return most
    share = max(progress - start, 0.0) / max(full - start, 1e-9)
    return round(first * (most / max(first, 1)) ** share)
