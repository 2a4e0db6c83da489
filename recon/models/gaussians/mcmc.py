"""Density as sampling: the dead move to where there is most to draw, new ones join. Source: Kheradmand et al. 2024."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.models.gaussians.config import Mcmc
from recon.models.gaussians.store import GaussianStore
from recon.ops.blocks import LOG_SCALES
from recon.ops.mcmc import relocate

__all__ = ["refine_mcmc"]

_LEAST_OPACITY, _MOST_OPACITY = 0.005, 1 - 1e-6
"""Opacities of divided Gaussians are kept in this range, so that a new one is not dead at once."""
_MOST_COPIES = 51
"""Copies eq. 9 is evaluated for; the paper's own limit."""


def refine_mcmc(store: GaussianStore, config: Mcmc, *, wanted: int, generator: torch.Generator) -> dict[str, int]:
    """Move the dead onto living Gaussians and grow towards `wanted`. What shares a place looks as one did before."""
    opacity = torch.sigmoid(store.plane(10))
    alive = (opacity > config.dead) & torch.isfinite(store.planes(slice(None))).all(dim=1)
    dead = (~alive).nonzero()[:, 0]
    added = min(max(wanted - store.count, 0), int(store.count * config.growth))
    if len(dead) == store.count or len(dead) + added == 0:
        return {"moved": 0, "added": 0}
    weight = torch.where(alive, opacity, torch.zeros_like(opacity))
    source = _draw(weight, len(dead) + added, generator)
    _divide(store, source)
    store.replace(dead, store.gather(source[: len(dead)]))
    store.append(store.gather(source[len(dead) :]))
    return {"moved": len(dead), "added": added}


def _draw(weight: Float[Tensor, "g"], count: int, generator: torch.Generator) -> Int[Tensor, "m"]:
    """Indices drawn in proportion to their weight, with replacement, by a generator that is on the CPU."""
    if weight.device.type == "cpu":
        return torch.multinomial(weight, count, replacement=True, generator=generator)
    until = weight.double().cumsum(dim=0)
    places = torch.rand(count, generator=generator, dtype=torch.float64).to(weight.device) * until[-1]
    return torch.searchsorted(until, places, right=True).clamp(max=len(weight) - 1)


def _divide(store: GaussianStore, source: Int[Tensor, "m"]) -> None:
    """Make each source what all of its copies will be: thinner and smaller, so that together they look the same."""
    copies = (torch.bincount(source, minlength=store.count) + 1).clamp(max=_MOST_COPIES)
    chosen = source.unique()
    together = store.gather(chosen)
    shared = relocate(torch.sigmoid(together[:, 10]), together[:, LOG_SCALES].exp(), copies[chosen])
    together[:, 10] = torch.logit(shared.opacities.clamp(_LEAST_OPACITY, _MOST_OPACITY))
    together[:, LOG_SCALES] = shared.scales.log()
    store.replace(chosen, together)
