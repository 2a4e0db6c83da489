"""Gaussians as numpy arrays and back: what readers and writers of files work on."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float

from recon.types import Gaussians

__all__ = ["columns_of", "gaussians_from"]


def columns_of(gaussians: Gaussians) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Means [g 3], quaternions [g 4] wxyz, log scales [g 3], opacity logits [g], harmonics [g k 3], all float32."""
    tensors = (gaussians.means, gaussians.quats, gaussians.log_scales, gaussians.opacity_logits, gaussians.sh)
    means, quats, log_scales, logits, sh = (tensor.detach().float().cpu().numpy() for tensor in tensors)
    return means, quats, log_scales, logits, sh


def gaussians_from(
    *,
    means: Float[np.ndarray, "g 3"],
    quats: Float[np.ndarray, "g 4"],
    log_scales: Float[np.ndarray, "g 3"],
    opacity_logits: Float[np.ndarray, "g"],
    sh: Float[np.ndarray, "g k 3"],
    antialiased: bool = False,
) -> Gaussians:
    """Float32 tensors of these, sharing memory where it may be written to."""
    arrays = (means, quats, log_scales, opacity_logits, sh)
    tensors = [torch.from_numpy(np.require(array, np.float32, ["C", "W"])) for array in arrays]
    return Gaussians(*tensors, antialiased=antialiased)
