"""Splats that the browser draws itself: quick to orbit, in base colours only, refreshed now and then in training."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from recon.geometry import rotation_from_quaternion
from recon.types import Gaussians, HasGaussians
from recon.viewer.pace import Share

__all__ = ["SplatCloud", "Splats", "splats_from"]

_SH_CONSTANT = 0.28209479177387814
"""The spherical harmonic of degree 0: 1 / (2 sqrt(pi))."""
_UNIT = 0.03
"""Share of the scene's extent that is one unit of the splats sent: covariances travel in half precision, which is
exact for sizes from 0.008 to 200 units and vanishes below 0.0003."""
_LARGEST = 200.0
_SHARE, _AT_LEAST = 0.03, 1.0
"""Of training's time that sending splats may take, and seconds between two times."""
_FAINTEST = 1 / 255
"""Opacity below which a splat is not sent; the page's colours have no finer step."""


@dataclass(frozen=True)
class Splats:
    """What the page draws."""

    centers: Float[np.ndarray, "g 3"]
    covariances: Float[np.ndarray, "g 3 3"]
    rgb: Float[np.ndarray, "g 3"]
    opacities: Float[np.ndarray, "g 1"]


class SplatCloud:
    """The splats on the page."""

    def __init__(self, server: Any, extent: float) -> None:
        self._server, self._unit = server, _UNIT * extent
        self._node: Any = None
        self._shown_revision = -1
        self._share = Share(_SHARE, at_least=_AT_LEAST)

    def serve(self, model: HasGaussians, *, revision: int, training: bool) -> None:
        """Send the splats again when the model has changed and, while it trains, the last time is long enough ago."""
        began = time.monotonic()
        if revision == self._shown_revision or (training and not self._share.ready(began)):
            return
        self._show(splats_from(model.gaussians(), self._unit))
        self._shown_revision = revision
        now = time.monotonic()
        self._share.spent(now - began, now)

    def remove(self) -> None:
        """Take the splats off the page, so that a browser too slow for them is rid of them."""
        if self._node is not None:
            self._node.remove()
        self._node, self._shown_revision = None, -1
        self._share = Share(_SHARE, at_least=_AT_LEAST)

    def _show(self, splats: Splats) -> None:
        arrays = splats.centers, splats.covariances, splats.rgb, splats.opacities
        if self._node is not None:
            self._node.set_gaussians(*arrays)
        elif len(splats.centers) > 0:  # the page cannot make an empty cloud
            self._node = self._server.scene.add_gaussian_splats("/splats", *arrays, scale=self._unit)


@torch.no_grad()
def splats_from(gaussians: Gaussians, unit: float) -> Splats:
    """The visible Gaussians, lengths in units of `unit`. Broken ones (not finite) are left out."""
    opacities = torch.sigmoid(gaussians.opacity_logits)
    finite = (gaussians.means.sum(1) + gaussians.log_scales.sum(1) + gaussians.quats.sum(1)).isfinite()
    kept = finite & (opacities >= _FAINTEST)
    sizes = (gaussians.log_scales[kept] - math.log(unit)).clamp(max=math.log(_LARGEST)).exp()
    rotations = rotation_from_quaternion(gaussians.quats[kept].cpu().numpy())
    axes = rotations * sizes.cpu().numpy()[:, None, :]
    return Splats(
        centers=(gaussians.means[kept] / unit).cpu().numpy(),
        covariances=axes @ np.swapaxes(axes, 1, 2),
        rgb=(0.5 + _SH_CONSTANT * gaussians.sh[kept, 0]).clamp(0, 1).cpu().numpy(),
        opacities=opacities[kept, None].cpu().numpy(),
    )
