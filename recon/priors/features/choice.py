"""Extractors by name."""

from __future__ import annotations

from recon.priors.features.classical import Classical
from recon.priors.features.extractor import FeatureExtractor

__all__ = ["open_extractor"]


def open_extractor(name: str) -> FeatureExtractor:
    """`classical`, which needs no weights, or a network: a name of `recon weights`, OWNER/NAME on the hub, a folder."""
    if name == "classical":
        return Classical()
    from recon.priors.features.pretrained import open_pretrained

    return open_pretrained(name)
