"""Which samples along rays make up what is seen: the others are neither coloured nor learnt from.

Density takes a quarter of a sample's time, and of the samples in cells that are not empty most lie behind a surface or
in thin air. Letters: `n` samples.
Source: nerfacc's `OccGridEstimator.sampling` does the same with its `alpha_thre` and `early_stop_eps`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.ops.composite import composite
from recon.ops.march import Samples

__all__ = ["visible"]

_LEAST = 1e-3
"""Share of a pixel under which a sample does not count. A new field gives more to each sample."""
_ROUNDS = (0, 16, 64, 1 << 30)
"""How many samples of each ray are asked for their density before looking which rays have ended."""


@torch.no_grad()
def visible(samples: Samples, density_of: Callable[[Samples], Float[Tensor, "m"]]) -> Samples:
    """The samples that are a part of their pixel that can be told."""
    rays = samples.rays.long()
    place = torch.arange(len(samples), device=rays.device) - samples.offsets[rays]
    density, nothing = samples.t0.new_zeros(len(samples)), samples.t0.new_zeros(3, len(samples)).T
    seen = None
    for begin, end in itertools.pairwise(_ROUNDS):
        asked = (place >= begin) & (place < end)
        if seen is not None:
            asked &= (seen.alpha < 1 - _LEAST)[rays]
        where = asked.nonzero()[:, 0]
        if len(where) > 0:
            density[where] = density_of(_chosen(samples, asked, where))
            seen = composite(density, nothing, samples)
    if seen is None:
        return samples
    kept = seen.weights >= _LEAST
    return _chosen(samples, kept, kept.nonzero()[:, 0])


def _chosen(samples: Samples, which: Bool[Tensor, "n"], where: Int[Tensor, "m"]) -> Samples:
    """Only the samples `which`, that is those at the places `where`. Rays stay, those without any too."""
    if len(where) == len(samples):
        return samples
    before = torch.cat([where.new_zeros(1), which.cumsum(dim=0)])
    rays, t0, t1 = (values.index_select(0, where) for values in (samples.rays, samples.t0, samples.t1))
    return Samples(before[samples.offsets], rays, t0, t1, samples.complete)
