"""Depth that photos tell, in a view of the model."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.mesh.views import DepthView
from recon.ops.surface import normals_of_depth
from recon.types import DepthMap

__all__ = ["told"]

_COVERED = 127
"""Alpha of a photo, of 255, up to which it shows no part of its subject."""


def told(view: DepthView, known: DepthMap, alpha: UInt8[Tensor, "h w"] | None) -> DepthView:
    """The view with depths that are known, of what `alpha` does not leave out, in the place of the model's."""
    depth = known.depth if alpha is None else torch.where(alpha > _COVERED, known.depth, 0)
    depth = _at_size(depth, view.depth.shape)
    there = depth > 0
    normal = normals_of_depth(depth, view.camera).to(view.normal.dtype)
    return replace(
        view,
        depth=torch.where(there, depth, view.depth),
        normal=torch.where(there[..., None], normal, view.normal),
    )


def _at_size(depth: Float[Tensor, "h w"], size: torch.Size) -> Float[Tensor, "h2 w2"]:
    """Views of many large photos are smaller than those. Never between a depth and none, nor across an edge."""
    return depth if depth.shape == size else interpolate(depth[None, None], size=tuple(size), mode="nearest")[0, 0]
