"""What is known of a photo's depth, as losses on the depth that Gaussians render there.

Source: Eigen et al. 2014, equation 4, for what all pixels differ by.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.gaussians.config import DepthTerms
from recon.ops.surface import normals_of_depth
from recon.types import Cameras, DepthMap

__all__ = ["Guidance", "guidance"]

_SOLID = 0.5
"""Alpha from which a pixel has a depth to speak of."""


@dataclass(frozen=True)
class Guidance:
    """The weighted terms and their gradients, outside autograd."""

    losses: dict[str, Tensor]
    grad_depth: Float[Tensor, "h w"]
    """In the sum of weight times depth."""
    grad_alpha: Float[Tensor, "h w"]


@torch.enable_grad()
def guidance(
    weighted_depth: Float[Tensor, "h w"],
    alpha: Float[Tensor, "h w"],
    known: DepthMap,
    camera: Cameras,
    *,
    terms: DepthTerms,
    progress: float,
) -> Guidance:
    """How far rendered depth is from what is `known`, in world units, and which way both of its parts should go."""
    total, covered = weighted_depth.detach().requires_grad_(), alpha.detach().requires_grad_()
    trust = known.confidence * (covered.detach() > _SOLID) * (known.inverse > 0)
    depth = total / covered.clamp(min=_SOLID)
    safe = torch.where(trust > 0, depth * known.inverse, 1).clamp(min=1e-6)
    apart = safe.log()
    share = trust / trust.sum().clamp(min=1)
    apart = apart - terms.common * (share * apart).sum()
    weight = max(1 - progress / max(terms.until, 1e-9), 0.0)
    losses = {"depth": terms.depth * weight * (trust * apart.abs()).mean()}
    if terms.normal > 0:
        wanted, found = normals_of_depth(known.depth, camera), normals_of_depth(depth, camera)
        both = trust * (wanted.square().sum(dim=-1) > 0) * (found.detach().square().sum(dim=-1) > 0)
        losses["normal"] = terms.normal * weight * (both * (1 - (wanted * found).sum(dim=-1))).mean()
    grad_depth, grad_alpha = torch.autograd.grad(torch.stack(list(losses.values())).sum(), [total, covered])
    detached = {name: loss.detach() for name, loss in losses.items()}
    return Guidance(detached, grad_depth.nan_to_num(0, 0, 0), grad_alpha.nan_to_num(0, 0, 0))
