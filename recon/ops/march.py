"""Samples along rays where a grid of cubes says that something is there.

Letters: `r` rays, `n` samples of all rays behind each other, `c` cubes, `k` cells along a cube's side. The cubes share
a centre; each is twice as wide as the one before. Distances are multiples of a ray's (unit) direction.

A ray has a lattice of interval ends: `step` apart up to the distance step / cone, then growing by the factor 1 + cone.
An interval is a sample where the cell of its midpoint, in the smallest cube around it, is occupied.
Source: Mueller et al. 2022, appendix E.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.ops.device import gpu_kernels, stream_of
from recon.ops.mcmc import philox
from recon.ops.native import native

__all__ = ["OccupancyCubes", "Samples", "march", "march_reference"]


@dataclass(frozen=True)
class OccupancyCubes:
    """Which cells hold something."""

    occupied: Bool[Tensor, "c k k k"]
    """Indices are cube, x, y, z."""
    center: tuple[float, float, float]
    radius: float
    """Half the side of the smallest cube."""


@dataclass(frozen=True)
class Samples:
    """Intervals along rays, packed: those of ray i are `offsets[i]` to `offsets[i + 1]`."""

    offsets: Int[Tensor, "r_and_1"]
    rays: Int[Tensor, "n"]
    t0: Float[Tensor, "n"]
    t1: Float[Tensor, "n"]
    complete: int
    """How many leading rays have all their samples; the others have none."""

    def __len__(self) -> int:
        return len(self.t0)

    @property
    def mid(self) -> Float[Tensor, "n"]:
        return (self.t0 + self.t1) / 2

    def padded(self, values: Float[Tensor, "n"]) -> Float[Tensor, "r longest"]:
        """One row a ray, zeros behind."""
        counts = self.offsets.diff()
        longest = int(counts.max()) if len(counts) > 0 else 0
        rays = self.rays.long()
        rows = values.new_zeros(len(counts), longest)
        places = torch.arange(len(values), device=values.device) - self.offsets[rays]
        return rows.index_put((rays, places), values)


def march(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    cubes: OccupancyCubes,
    *,
    step: float,
    cone: float = 0.0,
    near: float = 0.0,
    far: float = math.inf,
    max_samples: int,
    jitter: tuple[int, int] | None = None,
) -> Samples:
    """The samples of rays with unit `directions`, from `near` to `far`. Not differentiable.

    `jitter`, a seed and a step, moves each ray's lattice by a random part of an interval. Rays that do not fit into
    `max_samples` together with all before them get none.
    """
    cells = cubes.occupied.contiguous()
    kernels = gpu_kernels(origins, directions, cells)
    begin: Any = native().Marching if kernels is None else kernels.CudaMarching
    marching = begin(
        *(origins.detach().contiguous(), directions.detach().contiguous(), cells, cubes.center, cubes.radius),
        *(step, cone, near, far, jitter, torch.get_num_threads() if kernels is None else stream_of(origins)),
    )
    offsets = torch.empty(len(origins) + 1, dtype=torch.int64, device=origins.device)
    if kernels is None:
        most = _most_intervals(origins, cubes, step=step, cone=cone, near=near, far=far)
        rays, t0, t1 = _room(origins, min(max_samples, len(origins) * most))
        complete = marching.find(offsets, rays, t0, t1)
        n = int(offsets[-1])
        return Samples(offsets, rays[:n], t0[:n], t1[:n], complete)
    workspace = torch.empty(marching.workspace(), dtype=torch.uint8, device=origins.device)
    counts = torch.empty(2, dtype=torch.int64, device=origins.device)
    marching.count(max_samples, offsets, counts, workspace)
    n, complete = counts.tolist()  # waits for the GPU: all that follows is as large as there are samples
    found = _room(origins, n)
    marching.fill(offsets, *found, workspace)
    return Samples(offsets, *found, complete)


def _room(like: Tensor, count: int) -> tuple[Int[Tensor, "n"], Float[Tensor, "n"], Float[Tensor, "n"]]:
    """For the rays and ends of so many samples."""
    rays = torch.empty(count, dtype=torch.int32, device=like.device)
    return rays, like.new_empty(count), like.new_empty(count)


def _most_intervals(
    origins: Float[Tensor, "r 3"], cubes: OccupancyCubes, *, step: float, cone: float, near: float, far: float
) -> int:
    """How many intervals a ray can have, at most, before it is beyond everything."""
    if len(origins) == 0:
        return 0
    reach = math.sqrt(3) * cubes.radius * 2 ** (len(cubes.occupied) - 1)
    distances = (origins.detach() - torch.tensor(cubes.center).to(origins)).norm(dim=1)
    farthest = float(distances.nan_to_num(0, posinf=0).max()) + reach
    last = max(min(far, farthest), near)
    return max(math.ceil(_place_on_lattice(last, step, cone) - _place_on_lattice(near, step, cone)), 0) + 1


def march_reference(
    origins: Float[Tensor, "r 3"],
    directions: Float[Tensor, "r 3"],
    cubes: OccupancyCubes,
    *,
    step: float,
    cone: float = 0.0,
    near: float = 0.0,
    far: float = math.inf,
    max_samples: int,
    jitter: tuple[int, int] | None = None,
) -> Samples:
    """`march`, written to be read: looks at every interval of every ray. For any floating type."""
    count, side = cubes.occupied.shape[:2]
    center = torch.tensor(cubes.center, dtype=origins.dtype)
    shift = torch.zeros(len(origins), dtype=origins.dtype) if jitter is None else _jitter(len(origins), *jitter)
    first = _place_on_lattice(near, step, cone)
    steps = _most_intervals(origins, cubes, step=step, cone=cone, near=near, far=far)
    ends = first + shift.to(origins)[:, None] + torch.arange(steps + 1)
    t = _distance(ends, step, cone)
    t0, t1 = t[:, :-1], t[:, 1:]
    mid = (t0 + t1) / 2
    y = (origins[:, None] + directions[:, None] * mid[..., None] - center) / cubes.radius
    cube = y.abs().amax(dim=-1).clamp(min=1).log2().ceil().long()
    inside = (cube < count) & (mid < far)
    cell = ((y / 2.0 ** cube[..., None] + 1) * (side / 2)).long().clamp(0, side - 1)
    taken = inside & cubes.occupied[cube.clamp(max=count - 1), cell[..., 0], cell[..., 1], cell[..., 2]]
    ends_of_rays = taken.sum(dim=1).cumsum(dim=0)
    complete = int((ends_of_rays <= max_samples).sum())
    taken[complete:] = False
    offsets = torch.cat([torch.zeros(1, dtype=torch.int64), taken.sum(dim=1).cumsum(dim=0)])
    return Samples(offsets, taken.nonzero()[:, 0].int(), t0[taken], t1[taken], complete)


def _place_on_lattice(t: float, step: float, cone: float) -> float:
    """How many intervals of the lattice lie before the distance t."""
    if cone == 0 or t <= step / cone:
        return t / step
    return 1 / cone + math.log(t * cone / step) / math.log1p(cone)


def _distance(place: Tensor, step: float, cone: float) -> Tensor:
    """Inverse of `_place_on_lattice`."""
    if cone == 0:
        return place * step
    grown = step / cone * torch.exp((place - 1 / cone).clamp(min=0) * math.log1p(cone))
    return torch.where(place <= 1 / cone, place * step, grown)


def _jitter(count: int, seed: int, step: int) -> Float[Tensor, "r"]:
    """A number in 0..1 for each ray: 24 bits of Philox, counted by ray and step."""
    index = torch.arange(count)
    word = 0xFFFFFFFF
    counter = torch.stack([index, *(torch.full_like(index, w) for w in (step & word, step >> 32, 0))])
    return ((philox(counter, (seed & word, seed >> 32))[0] >> 8) + 0.5).double() * 2.0**-24
