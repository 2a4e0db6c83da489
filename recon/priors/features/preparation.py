"""A photo as a network was trained to see it: size, order of channels, mean and spread, from the processor's own file.

Processors cut photos to a square; here all of a photo is wanted: resized by the same means, to another size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.errors import InputError
from recon.io.parsing import parse_json

__all__ = ["Preparation", "read_preparation"]

_FILE = "preprocessor_config.json"
_BILINEAR = 2
"""Pillow's number; what processors take unless they say otherwise is in `_DEFAULTS`."""
_IMAGENET = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_HALF = [0.5, 0.5, 0.5], [0.5, 0.5, 0.5]
_CLIP = [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]
_DEFAULTS = {
    "BitImageProcessor": (3, _CLIP),
    "CLIPImageProcessor": (3, _CLIP),
    "ConvNextImageProcessor": (3, _HALF),
    "DINOv3ViTImageProcessor": (2, _IMAGENET),
    "SiglipImageProcessor": (3, _HALF),
    "ViTImageProcessor": (2, _HALF),
}
"""Filter, mean and spread of each processor of transformers where its file does not say."""
_RESIZES_NUMBERS = {"DINOv3ViTImageProcessor"}
"""Processors that resize after the bytes have become fractions, without rounding to bytes again."""


@dataclass(frozen=True)
class Preparation:
    """How photos become inputs."""

    mean: tuple[float, float, float]
    spread: tuple[float, float, float]
    factor: float
    """From bytes to what mean and spread are of."""
    filter: int
    """Of resizing; Pillow's number."""
    resizes_numbers: bool

    def __call__(self, photo: UInt8[Tensor, "h w 3"], height: int, width: int) -> Float[Tensor, "3 y x"]:
        """All of the photo, at that size."""
        if self.resizes_numbers:
            planar = photo.permute(2, 0, 1)[None].float() * self.factor
            mode = "bilinear" if self.filter == _BILINEAR else "bicubic"
            values = interpolate(planar, (height, width), mode=mode, antialias=True, align_corners=False)[0]
        else:
            from PIL import Image

            image = Image.fromarray(photo.numpy())
            if image.size != (width, height):
                image = image.resize((width, height), Image.Resampling(self.filter))
            values = torch.from_numpy(np.array(image)).permute(2, 0, 1).float() * self.factor
        return (values - torch.tensor(self.mean)[:, None, None]) / torch.tensor(self.spread)[:, None, None]


def read_preparation(folder: Path) -> Preparation:
    """What the processor's file in a folder of weights says; raises `InputError` where it says nothing known."""
    path = folder / _FILE
    try:
        said = parse_json(path.read_text(encoding="utf-8"))
        kind = _kind_of(said)
        if kind not in _DEFAULTS:
            raise InputError(
                f"{path} prepares photos by {kind or 'nothing named'}, which recon does not know.",
                advice=f"Pass a network whose photos are prepared by one of {', '.join(sorted(_DEFAULTS))}.",
            )
        filter_, (mean, spread) = _DEFAULTS[kind]
        normalised = said.get("do_normalize", True)
        return Preparation(
            mean=_three(said.get("image_mean", mean) if normalised else [0, 0, 0]),
            spread=_three(said.get("image_std", spread) if normalised else [1, 1, 1]),
            factor=float(said.get("rescale_factor", 1 / 255)) if said.get("do_rescale", True) else 1.0,
            filter=int(said.get("resample", filter_)),
            resizes_numbers=kind in _RESIZES_NUMBERS,
        )
    except FileNotFoundError:
        raise InputError(
            f"{folder} has no {_FILE}, which says how photos are prepared.",
            advice="Put it beside config.json, or download the network again.",
        ) from None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path} cannot be read: {error}.", advice="Download the network again.") from error


def _kind_of(said: Any) -> str:
    """Classes that do the same on other machinery end in Fast or Pil; older files say `feature extractor`."""
    name = str(said.get("image_processor_type") or said.get("feature_extractor_type") or "")
    name = name.replace("FeatureExtractor", "ImageProcessor")
    return name.removesuffix("Fast").removesuffix("Pil")


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    first, second, third = map(float, values)
    return first, second, third
