"""What makes Gaussians lie on surfaces: they get flat, and their normals agree with the depth they render.

Sources: Huang et al. 2024 (2DGS), equation 14; Chen et al. 2024 (PGSR), equations 5 and 9.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from recon.models.gaussians.config import SurfaceTerms
from recon.ops.blocks import LOG_SCALES
from recon.ops.surface import normals_of_depth, splat_planes
from recon.types import Cameras

__all__ = ["surface_losses"]


def surface_losses(
    blocks: Float[Tensor, "b c 16"],
    camera: Cameras,
    photo: UInt8[Tensor, "3 h w"],
    seen: Bool[Tensor, "g"],
    *,
    terms: SurfaceTerms,
    extent: float,
    progress: float,
    antialiased: bool,
) -> dict[str, Tensor]:
    """The weighted terms, differentiable in `blocks`. `photo` says where edges of objects may be."""
    least = blocks[:, LOG_SCALES].amin(dim=1).exp().reshape(-1)[: len(seen)]
    thickness = (least * seen).sum() / seen.sum().clamp(min=1) / extent
    losses = {"flatness": terms.flatness * thickness}
    if progress >= terms.start and terms.consistency > 0:
        blended = splat_planes(blocks, camera, antialiased=antialiased)
        apart = 1 - (blended.normal * normals_of_depth(blended.depth, camera)).sum(dim=-1)
        weight = blended.alpha.detach() * (blended.depth > 0) * _smooth(photo)
        losses["consistency"] = terms.consistency * (weight * apart).mean()
    return losses


def _smooth(photo: UInt8[Tensor, "3 h w"]) -> Float[Tensor, "h w"]:
    """1 where the photo is even, 0 at its strongest edges, where depth may jump. Source: PGSR, equation 9."""
    gray = torch.nn.functional.pad(photo.float().mean(dim=0)[None, None] / 255, (1, 1, 1, 1), mode="replicate")[0, 0]
    change = (gray[1:-1, 2:] - gray[1:-1, :-2]).abs() + (gray[2:, 1:-1] - gray[:-2, 1:-1]).abs()
    return (1 - change / change.max().clamp(min=1e-3)).square()
