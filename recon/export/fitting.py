"""Splats made to fit a number of bytes: colours that depend on the view first, then what matters least."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.io.splats.asset import SplatAsset
from recon.io.splats.formats import write_splats
from recon.io.splats.spz import SpzVersion

__all__ = ["fitted"]

_ENOUGH = 0.5
"""Share of the Gaussians that should survive before bands of colour are given up for more of them."""
_CLOSE = 0.93
"""Share of the bytes that counts as having used them."""
_TRIES = 7
_NAMES = ("means", "quats", "log_scales", "opacity_logits", "sh")


def fitted(
    asset: SplatAsset,
    name: str,
    max_bytes: int,
    weights: Callable[[], Float[Tensor, "g"]],
    *,
    spz_version: SpzVersion = 4,
) -> SplatAsset:
    """The asset with so few Gaussians, those of most weight, that a file called `name` has at most `max_bytes`.

    While that would take more than half of them and there are bands of view-dependent colour, a band goes first.
    Weights are asked for where not all of them fit.
    """
    size = partial(_size, name=name, spz_version=spz_version)
    if size(asset) <= max_bytes:
        return asset
    order = weights().argsort(descending=True, stable=True)
    degree = asset.gaussians.sh_degree
    while True:
        rich = _with_degree(asset, degree)
        best = _most_that_fit(rich, size, max_bytes, order)
        if best is not None and (degree == 0 or len(best) >= _ENOUGH * len(asset)):
            return best
        if degree == 0:
            raise InputError(
                f"Nothing of {name} fits into {max_bytes} bytes.", advice="Give --max-size more, or another format."
            )
        degree -= 1


def _most_that_fit(
    asset: SplatAsset, size_of: Callable[[SplatAsset], int], max_bytes: int, order: Tensor
) -> SplatAsset | None:
    """By trying: sizes are nearly a constant and so much for each, so a few tries get close."""
    alone = size_of(_some(asset, order, 1))
    if alone > max_bytes:
        return None
    count, fits, too_many = len(asset), 0, len(asset) + 1
    best = None
    for _ in range(_TRIES):
        some = _some(asset, order, count)
        size = size_of(some)
        if size <= max_bytes:
            best, fits = some, count
            if count == len(asset) or size >= _CLOSE * max_bytes:
                break
        else:
            too_many = count
        wanted = int(count * (max_bytes - alone) / max(size - alone, 1) * 0.985)
        count = wanted if fits < wanted < too_many else (fits + too_many) // 2
        if count <= fits:
            break
    return best


def _size(asset: SplatAsset, name: str, spz_version: SpzVersion) -> int:
    with TemporaryDirectory() as folder:
        write_splats(asset, Path(folder) / name, spz_version=spz_version)
        return sum(file.stat().st_size for file in Path(folder).iterdir())


def _with_degree(asset: SplatAsset, degree: int) -> SplatAsset:
    k = (degree + 1) ** 2
    return replace(asset, gaussians=replace(asset.gaussians, sh=asset.gaussians.sh[:, :k]))


def _some(asset: SplatAsset, order: Tensor, count: int) -> SplatAsset:
    """The `count` of most weight, in the file's order."""
    if count == len(asset):
        return asset
    kept = torch.sort(order[:count]).values
    parts = {name: getattr(asset.gaussians, name)[kept] for name in _NAMES}
    labels = None if asset.labels is None else asset.labels.only(kept)
    weights = None if asset.weights is None else asset.weights[kept]
    return replace(asset, gaussians=replace(asset.gaussians, **parts), labels=labels, weights=weights)
