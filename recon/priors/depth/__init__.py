"""Sources of depth by name: one module each, one case here."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, assert_never

from recon.priors.protocols import DepthPrior
from recon.types import Reconstruction

__all__ = ["DepthName", "depth_prior", "require_source"]

DepthName = Literal["monocular", "stereo", "pretrained", "sensor"]
"""The names that `recon depth --method` and `recon train --depth` take."""

_PRETRAINED = "depth-anything-v2-small"


def depth_prior(
    name: DepthName, reconstruction: Reconstruction, *, source: Path | None = None, device: str = "cpu"
) -> DepthPrior:
    """The source of depth of that name. `source` is what it reads: a sensor's folder, or a network's weights.

    `reconstruction` is what the scene was made from: its photos' files and lenses. Stereo computes on the `device`;
    networks take a moment a photo, and stay on the CPU.
    """
    match name:
        case "monocular":
            from recon.priors.depth.monocular.prior import MonocularDepth

            return MonocularDepth(source)
        case "pretrained":
            from recon.priors.depth.pretrained import PretrainedDepth

            return PretrainedDepth(source or _PRETRAINED)
        case "stereo":
            from recon.priors.depth.stereo import StereoDepth

            return StereoDepth(device=device)
        case "sensor":
            from recon.priors.depth.sensor import SensorDepth

            return SensorDepth.of(source, reconstruction)
        case _:
            assert_never(name)


def require_source(name: DepthName, source: Path | None) -> None:
    """Raise `InputError` where weights of others are not there: to be called before anything that takes long."""
    if name == "pretrained":
        from recon.priors.weights import weights_folder

        weights_folder(source or _PRETRAINED)
