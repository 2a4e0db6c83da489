"""Density from gradients: where the image pulls hard, small Gaussians are cloned, large ones split; the faint go.

Source: Kerbl et al. 2023, section 5; the absolute gradient is AbsGS (Ye et al. 2024).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.models.gaussians.config import AdaptiveDensity
from recon.models.gaussians.store import GaussianStore
from recon.ops.blocks import LOG_SCALES, MEANS, QUATS, write

__all__ = ["refine_adaptive", "reset_opacities"]

_SHRINK = 1.6
"""Halves of a split Gaussian are smaller by this. Source: Kerbl et al. 2023."""


def refine_adaptive(
    store: GaussianStore,
    config: AdaptiveDensity,
    *,
    extent: float,
    most: int,
    prune_large: bool,
    generator: torch.Generator,
) -> dict[str, int]:
    """Clone, split and prune. `extent` in world units; at most `most` remain, the hardest pulled first."""
    pull, seen, radius = store.statistics().unbind(dim=1)
    gradient = pull / seen.clamp(min=1)
    chosen = _strongest(gradient, gradient > config.gradient, most - store.count)
    together = store.planes(slice(None))
    size = together[:, LOG_SCALES].amax(dim=1).exp()
    large = chosen & (size > config.split_above * extent)
    clones, parents = together[chosen & ~large], together[large]
    gone = large | (torch.sigmoid(together[:, 10]) < config.prune_below) | ~torch.isfinite(together).all(dim=1)
    if prune_large:
        gone |= (size > config.prune_above * extent) | (radius > config.prune_radius)
    halves = torch.cat([_half(parents, generator), _half(parents, generator)])
    pruned = int(gone.sum()) - len(parents)
    if int((~gone).sum()) + len(clones) + len(halves) == 0:
        return {"added": 0, "pruned": 0}  # an empty model learns nothing any more
    store.remove(gone)
    store.append(torch.cat([clones, halves]))
    store.forget_statistics()
    return {"added": len(clones) + len(parents), "pruned": pruned}


def reset_opacities(store: GaussianStore, *, ceiling: float) -> None:
    """No Gaussian more opaque than `ceiling`, and no momentum in opacity: what is needed recovers, floaters do not."""
    indices = torch.arange(store.count, device=store.blocks.device)
    together = store.gather(indices)
    together[:, 10].clamp_(max=math.log(ceiling / (1 - ceiling)))
    write(store.blocks, indices, together)
    store.moments.first[:, 10] = 0
    store.moments.second[:, 10] = 0


def _strongest(gradient: Float[Tensor, "g"], chosen: Bool[Tensor, "g"], room: int) -> Bool[Tensor, "g"]:
    """The chosen ones, or the `room` of them with the largest gradient when there are more."""
    if int(chosen.sum()) <= max(room, 0):
        return chosen
    order = torch.sort(torch.where(chosen, gradient, -1.0), descending=True, stable=True).indices
    kept = torch.zeros_like(chosen)
    kept[order[: max(room, 0)]] = True
    return kept


def _half(parents: Float[Tensor, "m c"], generator: torch.Generator) -> Float[Tensor, "m c"]:
    """A smaller Gaussian at a random place inside each parent."""
    child = parents.clone()
    normal = torch.randn(len(parents), 3, generator=generator).to(parents.device)
    step = normal * parents[:, LOG_SCALES].exp()
    child[:, MEANS] += (_rotations(parents[:, QUATS]) @ step[:, :, None])[:, :, 0]
    child[:, LOG_SCALES] -= math.log(_SHRINK)
    return child


def _rotations(quats: Float[Tensor, "m 4"]) -> Float[Tensor, "m 3 3"]:
    w, x, y, z = torch.nn.functional.normalize(quats, dim=1).unbind(dim=1)
    entries = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(entries, dim=1).reshape(-1, 3, 3)
