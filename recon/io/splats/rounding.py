"""How coarsely each Gaussian's numbers may be rounded, so that all of them together show it least in a file of a size.

Rounding to steps of s costs a picture the Gaussian's weight in it times s squared, and s twice as large saves a bit
whatever the weight. So the same is lost everywhere, and least altogether, where s is the inverse root of the weight.
Steps are powers of two: numbers that share their last zeros pack well.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import rounded, sigmoid
from recon.io.splats.guess import guessed_weights

__all__ = ["leeway", "steps", "to_steps", "visible_bytes"]

_LEAST = 1e-3
"""Of the mean weight: what cameras do not see now may be seen from elsewhere."""
_GUESSED = 0.25
"""Power of weights that are guessed: what lies behind others is thought more important than it is."""


def leeway(asset: SplatAsset) -> Float[np.ndarray, "g 1"]:
    """Each Gaussian's step beside that of one of mean weight."""
    weights: Tensor = guessed_weights(asset.gaussians) ** _GUESSED if asset.weights is None else asset.weights
    weights = weights.double().clamp(min=0)
    mean = weights.mean().clamp(min=1e-30)
    return (weights / mean + _LEAST).rsqrt().numpy()[:, None]


def steps(wanted: Float[np.ndarray, "g c"], *, most: int) -> Float[np.ndarray, "g c"]:
    """The nearest powers of two from 1 to `most`."""
    return 2.0 ** np.rint(np.log2(np.clip(wanted, 1, most)))


def to_steps(values: Float[np.ndarray, "g c"], step: Float[np.ndarray, "g #c"]) -> Float[np.ndarray, "g c"]:
    return np.rint(values / step) * step


def visible_bytes(logits: Float[np.ndarray, "g"], step: Float[np.ndarray, "g 1"]) -> UInt8[np.ndarray, "g 1"]:
    """Opacities of 255, none of which a coarse step makes nothing."""
    opacities = sigmoid(logits)[:, None] * 255
    return rounded(np.maximum(to_steps(opacities, step), np.minimum(np.rint(opacities), 1)))
