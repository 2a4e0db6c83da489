"""Depth that is known from maps or from the sparse points: rays, and how far along them something should be.

Letters: `r` rays, `m` sightings, each a pixel of a map or a point in a photo.
Source: Deng et al. 2022 (DS-NeRF), section 4.2, for the points and their weights; the loss is of the expected depth.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.models.rays.cast import Rays, cast
from recon.ops.composite import Composited
from recon.sparse import sparse_depth
from recon.types import Cameras, Scene

__all__ = ["Guidance", "Sightings", "depth_loss"]

_BEND = 0.05
"""Error of depth, as a share of it, above which it counts in proportion instead of squared: points may be wrong."""
_MOST = 1 << 21
"""Pixels of maps that are kept, evenly chosen: they take 64 MB."""


@dataclass(frozen=True)
class Guidance:
    """Rays with a known end."""

    rays: Rays
    view: Int[Tensor, "r"]
    """Whose they are."""
    distance: Float[Tensor, "r"]
    """Along the ray, world units."""
    weight: Float[Tensor, "r"]
    """0 to 1: how far that is to be trusted."""


@dataclass(frozen=True)
class Sightings:
    """Where training photos show something whose depth is known."""

    cameras: Cameras
    view: Int[Tensor, "m"]
    pixel: Float[Tensor, "m 2"]
    depth: Float[Tensor, "m"]
    weight: Float[Tensor, "m"]

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str = "cpu") -> Sightings | None:
        """Pixels of the scene's depth maps; without maps, its points whose error is known; None without either."""
        found = list(_in_maps(scene) if len(scene.depths) > 0 else _of_points(scene))
        if sum(len(seen.depth) for seen in found) == 0:
            return None
        parts = [torch.cat([getattr(seen, name) for seen in found]) for name in ("pixel", "depth", "weight")]
        view = torch.cat([torch.full((len(seen.depth),), seen.view) for seen in found])
        return cls(scene.cameras.to(device), *(part.to(device) for part in (view, *parts)))

    def draw(self, rays: int, generator: torch.Generator) -> Guidance:
        """Some sightings by chance, as rays."""
        which = torch.randint(len(self.view), (rays,), generator=generator).to(self.view.device, non_blocking=True)
        view = self.view[which]
        chosen = cast(self.cameras[view], self.pixel[which])
        return Guidance(chosen, view, self.depth[which] / chosen.forward, self.weight[which])


def depth_loss(seen: Composited, guidance: Guidance) -> Float[Tensor, ""]:
    """How far the rays `seen` see beside what is known, as a share of the distance, and how much passes."""
    count = len(seen.alpha)
    distance, weight = guidance.distance[:count], guidance.weight[:count]
    beside = ((seen.depth - seen.alpha * distance) / distance).abs()
    beside = torch.where(beside <= _BEND, beside.square() / (2 * _BEND), beside - _BEND / 2)
    return (weight * (beside + 1 - seen.alpha)).sum() / weight.sum().clamp(min=1e-6)


@dataclass(frozen=True)
class _InPhoto:
    """The sightings of one photo."""

    view: int
    pixel: Float[Tensor, "m 2"]
    depth: Float[Tensor, "m"]
    weight: Float[Tensor, "m"]


def _in_maps(scene: Scene) -> Iterator[_InPhoto]:
    generator = torch.Generator().manual_seed(0)
    known = {view: scene.depths[view].known & (scene.depths[view].inverse > 0) for view in sorted(scene.depths)}
    share = min(_MOST / max(sum(int(pixels.sum()) for pixels in known.values()), 1), 1.0)
    for view, pixels in known.items():
        row, column = (pixels & (torch.rand(pixels.shape, generator=generator) < share)).nonzero().unbind(-1)
        depth = scene.depths[view]
        pixel = torch.stack([column, row], dim=-1) + 0.5
        yield _InPhoto(view, pixel, 1 / depth.inverse[row, column], depth.confidence[row, column])


def _of_points(scene: Scene) -> Iterator[_InPhoto]:
    """Points that lie beside where photos show them weigh less: exp(-(error / mean error)^2).

    None of a thing cut out of its background: outlines tell more, and points seen through its gaps are taken for near.
    """
    points = scene.points
    if points.error is None or len(points) == 0 or scene.transparent:
        return
    trust = torch.exp(-(points.error / points.error.mean().clamp(min=1e-9)).square())
    for view in scene.train:
        seen = sparse_depth(points, scene.cameras[view])
        pixel = torch.stack([seen.column, seen.row], dim=-1) + 0.5
        yield _InPhoto(view, pixel, 1 / seen.inverse, trust[seen.point])
