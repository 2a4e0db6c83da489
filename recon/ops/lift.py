"""Features of photos to the Gaussians that the photos show: blending, read from the pixels back.

Letters: `y x` rows and columns of a map of features, coarser than the image; `d` its channels; `g` Gaussians.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from recon.ops.splat import Frame
from recon.ops.splat_reference import splat_reference
from recon.types import Cameras

__all__ = ["FINEST_CELL", "lift", "lift_reference"]

FINEST_CELL = 4
"""Pixels that a cell of a map spans at least, along each axis."""
_CONSTANT_HARMONIC = 0.28209479177387814
_FIRST_COLOUR = 11
"""The plane of the first harmonic's red."""


def lift(
    frame: Frame, features: Float[Tensor, "y x d"], *, sums: Float[Tensor, "g d"], weights: Float[Tensor, "g"]
) -> None:
    """Add to `sums` each Gaussian's weight in every pixel times the feature there, and the weight to `weights`.

    After all views, `sums / weights` is the mean of the features over what a Gaussian shows (Marrie et al. 2025,
    LUDVIG). Between the centres of the map's cells features are bilinear, as in a resized image. `frame` is the view as
    it was just rendered. Has no gradient: gradients of a render in colours are the same sums, for three channels.
    """
    if any(tensor.requires_grad for tensor in (features, sums, weights)):
        raise ValueError("Lifting has no gradient; detach the features.")
    height, width = frame.alpha.shape
    if features.shape[0] * FINEST_CELL > height or features.shape[1] * FINEST_CELL > width:
        raise ValueError(
            f"A map of {features.shape[1]}x{features.shape[0]} cells needs a view of at least "
            f"{features.shape[1] * FINEST_CELL}x{features.shape[0] * FINEST_CELL} pixels, not {width}x{height}."
        )
    frame.scratch.lift(features.contiguous(), sums, weights)


def lift_reference(
    blocks: Float[Tensor, "b c 16"], camera: Cameras, features: Float[Tensor, "y x d"], *, antialiased: bool = False
) -> tuple[Float[Tensor, "g d"], Float[Tensor, "g"]]:
    """`lift` from nothing, written to be read: the sums are the gradient that <features, image> has in the colours.

    Colours are gray, so that none is clamped. `g` counts the lanes of the last block too.
    """
    size = int(camera.height), int(camera.width)
    pixels = interpolate(features.permute(2, 0, 1)[None], size, mode="bilinear", align_corners=False)[0]
    gray = torch.cat([blocks.detach()[:, :_FIRST_COLOUR], torch.zeros_like(blocks[:, :3])], dim=1).requires_grad_()
    red = splat_reference(gray, camera, sh_degree=0, antialiased=antialiased).rgb[..., 0]
    columns = []
    for channel in (*pixels, torch.ones_like(red)):
        (gradient,) = torch.autograd.grad((channel * red).sum(), gray, retain_graph=True)
        columns.append(gradient[:, _FIRST_COLOUR].flatten() / _CONSTANT_HARMONIC)
    return torch.stack(columns[:-1], dim=1), columns[-1]
