"""PatchMatch stereo: planes over one photo's pixels, and how well other photos agree with them.

A plane over the picture is [3]: the inverse depth w at the pixel's centre and its change per pixel across and down; w
of a plane in space is affine over the picture. Nothing here is differentiable.

Letters: `k` other photos, `q` pixels of all of them. Sources: Schoenberger et al. 2016 (COLMAP), eq. 4 and 5, for the
weights of a patch; Xu & Tao 2019 (ACMM), sections 3 and 4, for the propagation and the geometric consistency.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from recon.ops.device import gpu_kernels, stream_of
from recon.ops.native import native
from recon.types import Cameras

__all__ = [
    "Compared",
    "PatchTerms",
    "Trial",
    "compared",
    "match_costs",
    "match_costs_reference",
    "match_sweep",
    "pixel_map",
]

_NOISE = 2.0
"""Variance of gray levels that is noise."""
_UNSEEN = 1.0
"""Cost of a patch whose middle another photo does not show."""


@dataclass(frozen=True)
class PatchTerms:
    """How patches are compared."""

    radius: int = 2
    """A patch has (2 radius + 1)^2 samples; 1 to 3."""
    step: int = 2
    """Pixels between samples."""
    best: int = 2
    """Photos whose costs are averaged, those that agree best; 1 to 4."""
    levels: float = 25.0
    """Standard deviation of gray levels (0..255) within which samples belong to the same surface."""
    agreement: float = 0.1
    """Cost of a pixel by which the way to another photo's surface and back misses."""
    farthest: float = 3.0
    """Pixels by which it can miss."""


@dataclass(frozen=True)
class Trial:
    """What a sweep tries besides the planes of neighbours."""

    depth_change: float
    """Largest change, as a share of the inverse depth."""
    slope_change: float
    """Largest change of the slope: depth gained per distance across."""
    thorough: bool
    """Whether far neighbours, planes from nowhere and finer changes are tried, too: twice the time."""
    seed: int
    sweep: int
    """Counts sweeps: each has random numbers of its own."""


@dataclass(frozen=True)
class Compared:
    """One photo and those it is compared with, as the operators take them."""

    gray: Float[Tensor, "h w"]
    """0..255."""
    quads: Int[Tensor, "q"]
    """The other photos' pixels, int32, each with its right, lower and lower right neighbour as bytes."""
    depths: Float[Tensor, "q"] | None
    """Their inverse depths, 0 where unknown."""
    maps: Float[Tensor, "k 24"]
    """From pixels of the photo to each other's, and back: 3x3 and shift per inverse depth."""
    sizes: Int[Tensor, "k 3"]
    """Width, height and first quad of each."""
    focal: float
    low: float
    """Least inverse depth."""
    high: float


def compared(
    camera: Cameras,
    gray: UInt8[Tensor, "h w"],
    others: Sequence[tuple[Cameras, UInt8[Tensor, "_ _"]]],
    *,
    low: float,
    high: float,
    depths: Sequence[Float[Tensor, "_ _"]] | None = None,
) -> Compared:
    """Inputs of the operators. `depths` are inverse depths of `others`, `low` and `high` bounds of the photo's own."""
    sizes, first = [], 0
    for _, theirs in others:
        sizes.append((theirs.shape[1], theirs.shape[0], first))
        first += theirs.numel()
    maps = [torch.cat([pixel_map(camera, other), pixel_map(other, camera)]) for other, _ in others]
    device = gray.device
    return Compared(
        gray=gray.float().contiguous(),
        quads=torch.cat([_quads(theirs).reshape(-1) for _, theirs in others]),
        depths=None if depths is None else torch.cat([depth.reshape(-1) for depth in depths]).contiguous(),
        maps=torch.stack(maps).float().to(device),
        sizes=torch.tensor(sizes).to(device),
        focal=float(camera.focal.mean()),
        low=low,
        high=high,
    )


def match_costs(photos: Compared, planes: Float[Tensor, "3 h w"], terms: PatchTerms) -> Float[Tensor, "h w"]:
    """What these planes cost: the best photos' mean of one minus the correlation, 0..1, plus that of misses."""
    costs = torch.empty_like(planes[0])
    kernels = gpu_kernels(planes, photos.gray)
    if kernels is not None:
        kernels.cuda_match_costs(*_arguments(photos, terms), planes, costs, stream_of(planes))
    else:
        native().match_costs(*_arguments(photos, terms), planes, costs, torch.get_num_threads())
    return costs


def match_sweep(
    photos: Compared, planes: Float[Tensor, "3 h w"], costs: Float[Tensor, "h w"], terms: PatchTerms, trial: Trial
) -> None:
    """One sweep over both colours of a checkerboard, in place: neighbours' planes and random changes are tried.

    The same bits for any number of threads. No pixel's cost grows.
    """
    tried = (trial.depth_change, trial.slope_change, trial.thorough, trial.seed & 0xFFFFFFFF, trial.sweep)
    kernels = gpu_kernels(planes, costs, photos.gray)
    if kernels is not None:
        kernels.cuda_match_sweep(*_arguments(photos, terms), planes, costs, *tried, stream_of(planes))
    else:
        native().match_sweep(*_arguments(photos, terms), planes, costs, *tried, torch.get_num_threads())


def match_costs_reference(photos: Compared, planes: Float[Tensor, "3 h w"], terms: PatchTerms) -> Float[Tensor, "h w"]:
    """`match_costs`, written to be read, in double."""
    gray, planes = photos.gray.double(), planes.double()
    height, width = gray.shape
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    reach = range(-terms.radius * terms.step, terms.radius * terms.step + 1, terms.step)
    offsets = [(dx, dy) for dy in reach for dx in reach]
    levels, weights = [], []
    for dx, dy in offsets:
        inside = (x + dx >= 0) & (x + dx < width) & (y + dy >= 0) & (y + dy < height)
        level = gray[(y + dy).clamp(0, height - 1), (x + dx).clamp(0, width - 1)]
        reached = -((level - gray).square() * _colour(terms) + (dx * dx + dy * dy) * _space(terms))
        levels.append(level)
        weights.append(torch.where(inside, reached.clamp(min=-30).exp(), 0))
    level, weight = torch.stack(levels), torch.stack(weights)
    weight = weight / weight.sum(dim=0)
    centred = level - (weight * level).sum(dim=0)
    variance = (weight * centred.square()).sum(dim=0)
    costs = []
    for k in range(len(photos.maps)):
        there, back = photos.maps[k, :12].double(), photos.maps[k, 12:].double()
        wide, high, first = photos.sizes[k].tolist()
        quads = photos.quads[first : first + wide * high].view(high, wide)
        inverse = torch.stack([planes[0] + planes[1] * dx + planes[2] * dy for dx, dy in offsets])
        at = [_mapped(there, x + dx + 0.5, y + dy + 0.5, w) for (dx, dy), w in zip(offsets, inverse, strict=True)]
        shown = torch.stack([_bilinear(quads & 0xFF, u, v) for u, v, _ in at])
        theirs = shown - (weight * shown).sum(dim=0)
        common = (weight * theirs * centred).sum(dim=0)
        spread = (weight * theirs.square()).sum(dim=0)
        likeness = common / ((variance + _NOISE) * (spread + _NOISE)).sqrt()
        u, v, ahead = _mapped(there, x + 0.5, y + 0.5, planes[0])
        seen = (ahead > 0) & (u >= 0) & (u <= wide) & (v >= 0) & (v <= high)
        cost = torch.where(seen, (1 - likeness).clamp(0, _UNSEEN), _UNSEEN)
        if photos.depths is not None:
            depth = photos.depths[first : first + wide * high].view(high, wide).double()
            surface = depth[v.floor().clamp(0, high - 1).long(), u.floor().clamp(0, wide - 1).long()]
            back_x, back_y, behind = _mapped(back, u, v, surface)
            missed = ((back_x - x - 0.5).square() + (back_y - y - 0.5).square()).sqrt().clamp(max=terms.farthest)
            lost = (ahead <= 0) | (behind <= 0) | (surface <= 0)
            cost = cost + terms.agreement * torch.where(lost, terms.farthest, missed)
        costs.append(cost)
    return torch.stack(costs).sort(dim=0).values[: terms.best].mean(dim=0)


def _colour(terms: PatchTerms) -> float:
    return 0.5 / terms.levels**2


def _space(terms: PatchTerms) -> float:
    """Of a standard deviation of the patch's half side."""
    return 0.5 / (terms.radius * terms.step) ** 2


def _arguments(photos: Compared, terms: PatchTerms) -> tuple:
    options = {
        "best": terms.best,
        "radius": terms.radius,
        "step": terms.step,
        "colour": _colour(terms),
        "space": _space(terms),
        "focal": photos.focal,
        "low": photos.low,
        "high": photos.high,
        "agreement": terms.agreement,
        "most": terms.farthest,
    }
    return photos.gray, photos.quads, photos.depths, photos.maps, photos.sizes, options


def _quads(gray: UInt8[Tensor, "h w"]) -> Int[Tensor, "h w"]:
    wider = torch.nn.functional.pad(gray.float()[None, None], (0, 1, 0, 1), mode="replicate")[0, 0].int()
    here, right, below, both = wider[:-1, :-1], wider[:-1, 1:], wider[1:, :-1], wider[1:, 1:]
    return here | right << 8 | below << 16 | both << 24


def pixel_map(source: Cameras, target: Cameras) -> Float[Tensor, "12"]:
    """K' R K^-1 and K' t: times (x, y, 1) and times the inverse depth, they add to the pixel in `target`."""
    target_from_source = target.cam_from_world.double() @ torch.linalg.inv(source.cam_from_world.double())
    k = _intrinsics(target)
    turn = k @ target_from_source[:3, :3] @ torch.linalg.inv(_intrinsics(source))
    return torch.cat([turn.reshape(-1), k @ target_from_source[:3, 3]])


def _intrinsics(camera: Cameras) -> Float[Tensor, "3 3"]:
    k = torch.eye(3, dtype=torch.float64)
    k[0, 0], k[1, 1] = camera.focal.double()
    k[:2, 2] = camera.center.double()
    return k


def _mapped(map: Float[Tensor, "12"], x: Tensor, y: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pixel and its depth, as a share of the depth before."""
    across, down, ahead = (
        map[3 * i] * x + map[3 * i + 1] * y + map[3 * i + 2] + map[9 + i] * inverse for i in range(3)
    )
    safe = ahead.clamp(min=1e-6)
    return across / safe, down / safe, ahead


def _bilinear(picture: Int[Tensor, "h w"], u: Tensor, v: Tensor) -> Tensor:
    """Levels at positions (u, v), pixel centres at .5, those beyond the border as at it."""
    height, width = picture.shape
    u, v = (u - 0.5).clamp(0, width - 1.001), (v - 0.5).clamp(0, height - 1.001)
    column, row = u.long(), v.long()
    right, below = (column + 1).clamp(max=width - 1), (row + 1).clamp(max=height - 1)
    u, v = u - column, v - row
    top = picture[row, column] * (1 - u) + picture[row, right] * u
    bottom = picture[below, column] * (1 - u) + picture[below, right] * u
    return top * (1 - v) + bottom * v
