"""How much each Gaussian matters: the weight its colour has in what cameras see."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.blocks import pack, rows
from recon.ops.splat import splat
from recon.types import Cameras, Gaussians

__all__ = ["seen_weights"]

_MOST_VIEWS = 48
_BASE_COLOUR = 11
"""Plane of the first harmonic's red: the gradient of the image's sum with respect to it is the blending weight."""


def seen_weights(gaussians: Gaussians, cameras: Cameras) -> Float[Tensor, "g"]:
    """Sum over these views' pixels of the share each Gaussian has in the pixel; up to a common factor.

    Colours are made gray first, so that no colour is clamped and each pixel's sum is linear in them.
    """
    gray = replace(gaussians, sh=torch.zeros_like(gaussians.sh[:, :1]))
    blocks = pack(gray)
    weights = torch.zeros(len(gaussians))
    step = max(1, -(-len(cameras) // _MOST_VIEWS))
    for index in range(0, len(cameras), step):
        leaf = blocks.detach().requires_grad_()
        render = splat(leaf, cameras[index], sh_degree=0, antialiased=gaussians.antialiased)
        render.rgb[..., 0].sum().backward()
        assert leaf.grad is not None
        weights += rows(leaf.grad, len(gaussians))[:, _BASE_COLOUR]
    return weights
