"""Extractors by name."""

from __future__ import annotations

from recon.errors import InputError
from recon.priors.features.classical import Classical
from recon.priors.features.extractor import FeatureExtractor

__all__ = ["open_extractor"]


def open_extractor(name: str) -> FeatureExtractor:
    """`classical`, which needs no weights."""
    if name == "classical":
        return Classical()
    raise InputError(f"There is no extractor {name!r}.", advice="Pass --extractor classical.")
