"""Where along rays samples lie: first spread out, then gathered where something is.

Letters: `r` rays, `s` samples of a ray. Distances along rays lie between a near and a far one of each ray.
Source: Mildenhall et al. 2020 (NeRF), section 5.2.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.rays.bounds import Bounds
from recon.models.rays.cast import Rays
from recon.ops.march import Samples

__all__ = ["Span", "gathered", "packed", "spread"]


@dataclass(frozen=True)
class Span:
    """The part of each ray that is looked at. Even steps of `share` are even steps of distance, or of 1 / distance."""

    near: Float[Tensor, "r"]
    far: Float[Tensor, "r"]
    inverse: bool

    @classmethod
    def of(cls, rays: Rays, bounds: Bounds, near: float) -> Span:
        """Inside the cube of a bounded scene; from `near` to the end of the last cube of an unbounded one."""
        if bounds.contract:
            begin = torch.full_like(rays.forward, near)
            return cls(begin, torch.full_like(rays.forward, max(bounds.far, 2 * near)), inverse=True)
        speed = torch.where(rays.directions.abs() < 1e-9, 1e-9, rays.directions)
        middle = -bounds.from_middle(rays.origins)
        walls = torch.stack([middle - bounds.radius, middle + bounds.radius], dim=-1) / speed[..., None]
        begin = walls.amin(dim=-1).amax(dim=-1).clamp(min=near)
        return cls(begin, torch.maximum(walls.amax(dim=-1).amin(dim=-1), begin), inverse=False)

    def at(self, share: Float[Tensor, "r s"]) -> Float[Tensor, "r s"]:
        """Distances."""
        near, far = self.near[:, None], self.far[:, None]
        if self.inverse:
            return 1 / ((1 - share) / near + share / far)
        return near + share * (far - near)


def spread(
    rays: int, count: int, generator: torch.Generator | None, device: torch.device | str = "cpu"
) -> Float[Tensor, "r ends"]:
    """Shares of the span where `count` intervals end, at random around even steps; even without a generator."""
    even = torch.linspace(0, 1, count + 1, device=device).expand(rays, count + 1)
    if generator is None:
        return even
    chance = torch.rand(rays, count + 1, generator=generator).to(device, non_blocking=True)
    moved = even + (chance - 0.5) / count
    return moved.clamp(0, 1)


def gathered(
    ends: Float[Tensor, "r ends"], weights: Float[Tensor, "r s"], count: int, generator: torch.Generator | None
) -> Float[Tensor, "r more"]:
    """`ends` and `count` more, sorted: as many in each interval as its weight asks for."""
    mass = weights.detach() + 1e-3 / weights.shape[1]
    grown = torch.cat([mass.new_zeros(len(mass), 1), mass.cumsum(dim=1)], dim=1)
    grown = grown / grown[:, -1:]
    wanted = (torch.arange(count, device=mass.device) + 0.5) / count
    if generator is not None:
        chance = torch.rand(len(mass), count, generator=generator).to(mass.device, non_blocking=True)
        wanted = wanted + (chance - 0.5) / count
    wanted = wanted.expand(len(mass), count).contiguous()
    right = torch.searchsorted(grown.contiguous(), wanted, right=True).clamp(1, mass.shape[1])
    low, high = grown.gather(1, right - 1), grown.gather(1, right)
    begin, end = ends.gather(1, right - 1), ends.gather(1, right)
    new = begin + (wanted - low) / (high - low).clamp(min=1e-9) * (end - begin)
    return torch.cat([ends, new], dim=1).sort(dim=1).values


def packed(distances: Float[Tensor, "r ends"]) -> Samples:
    """The intervals between these ends, ray after ray."""
    rays, count, device = len(distances), distances.shape[1] - 1, distances.device
    return Samples(
        offsets=torch.arange(rays + 1, device=device) * count,
        rays=torch.arange(rays, dtype=torch.int32, device=device).repeat_interleave(count),
        t0=distances[:, :-1].flatten(),
        t1=distances[:, 1:].flatten(),
        complete=rays,
    )
