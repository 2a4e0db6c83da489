"""Depth that is known from the sparse points: rays through them, and how far along the rays something should be.

Letters: `r` rays, `m` sightings, each a point in a photo.
Source: Deng et al. 2022 (DS-NeRF), section 4.2, for the points and their weights; the loss is of the expected depth.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.errors import InputError
from recon.models.rays.cast import Rays, cast
from recon.ops.composite import Composited
from recon.sparse import sparse_depth
from recon.types import Cameras, Scene

__all__ = ["Guidance", "Sightings", "depth_loss"]

_BEND = 0.05
"""Error of depth, as a share of it, above which it counts in proportion instead of squared: points may be wrong."""


@dataclass(frozen=True)
class Guidance:
    """Rays with a known end."""

    rays: Rays
    distance: Float[Tensor, "r"]
    """Along the ray, world units."""
    weight: Float[Tensor, "r"]
    """0 to 1: how far the point is to be trusted."""


@dataclass(frozen=True)
class Sightings:
    """Where training photos show points whose error is known."""

    cameras: Cameras
    view: Int[Tensor, "m"]
    pixel: Float[Tensor, "m 2"]
    depth: Float[Tensor, "m"]
    weight: Float[Tensor, "m"]

    @classmethod
    def of(cls, scene: Scene, device: torch.device | str = "cpu") -> Sightings:
        """Points that lie beside where photos show them weigh less: exp(-(error / mean error)^2)."""
        points = scene.points
        if points.error is None or len(points) == 0:
            raise InputError(
                "--losses.depth needs points that were found in the photos, and this scene has none.",
                advice="Leave it out, or let recon find poses and points itself.",
            )
        trust = torch.exp(-(points.error / points.error.mean().clamp(min=1e-9)).square())
        view, pixel, depth, weight = [], [], [], []
        for index in scene.train:
            seen = sparse_depth(points, scene.cameras[index])
            view.append(torch.full((len(seen),), index))
            pixel.append(torch.stack([seen.column, seen.row], dim=-1) + 0.5)
            depth.append(1 / seen.inverse)
            weight.append(trust[seen.point])
        parts = (torch.cat(part).to(device) for part in (view, pixel, depth, weight))
        return cls(scene.cameras.to(device), *parts)

    def draw(self, rays: int, generator: torch.Generator) -> Guidance:
        """Some sightings by chance, as rays."""
        which = torch.randint(len(self.view), (rays,), generator=generator).to(self.view.device, non_blocking=True)
        chosen = cast(self.cameras[self.view[which]], self.pixel[which])
        return Guidance(chosen, self.depth[which] / chosen.forward, self.weight[which])


def depth_loss(seen: Composited, guidance: Guidance) -> Float[Tensor, ""]:
    """How far rays see beside their points, as a share of the distance, and how much passes. Of the rays `seen`."""
    count = len(seen.alpha)
    distance, weight = guidance.distance[:count], guidance.weight[:count]
    beside = ((seen.depth - seen.alpha * distance) / distance).abs()
    beside = torch.where(beside <= _BEND, beside.square() / (2 * _BEND), beside - _BEND / 2)
    return (weight * (beside + 1 - seen.alpha)).sum() / weight.sum().clamp(min=1e-6)
