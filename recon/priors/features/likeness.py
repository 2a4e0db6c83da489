"""How alike things are by their features: to a place that somebody points at, or to a word."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["like_place", "like_words"]

_SHARPNESS = 20.0
"""Of the choice between words, per unit of the cosine: networks of pictures and words were trained with 10 to 100."""


def like_place(features: Float[Tensor, "g d"], place: Float[Tensor, "d"]) -> Float[Tensor, "g"]:
    """-1 to 1: the cosine to the feature of the place, both from the middle of all features; 0 where there is none."""
    known = (features != 0).any(dim=1)
    if not bool(known.any()):
        return torch.zeros(len(features))
    middle = features[known].mean(dim=0)
    alike = normalize(features - middle, dim=1) @ normalize(place - middle, dim=0)
    return torch.where(known, alike, 0)


def like_words(
    features: Float[Tensor, "g d"], wanted: Float[Tensor, "d"], others: Float[Tensor, "t d"]
) -> Float[Tensor, "g"]:
    """0 to 1: how much rather the wanted word than the most fitting of the others; 0 where there is no feature.

    Source: Kerr et al. 2023, "LERF", section 3.4.
    """
    unit = normalize(features, dim=1)
    better = torch.sigmoid(_SHARPNESS * ((unit @ wanted)[:, None] - unit @ others.T)).amin(dim=1)
    return torch.where((features != 0).any(dim=1), better, 0)
