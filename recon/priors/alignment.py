"""Depth maps into the scene's units: scale and shift in inverse depth that fit the sparse points best.

Source: Ranftl et al. 2020 (MiDaS), section 5, made robust: a sample of two points that most agree with, then least
squares over those (Fischler & Bolles 1981).
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.priors.protocols import DepthMap
from recon.sparse import SparseDepth

__all__ = ["aligned", "fit"]

_LEAST_POINTS = 8
_TRIES = 500
_AGREES = 0.05
"""Relative error of inverse depth within which a point agrees."""
_ROUNDS = 10


def aligned(map: DepthMap, points: SparseDepth, *, name: str) -> DepthMap:
    """The map in world units. One in world units stays; one in metres gets a scale, a relative one a shift, too.

    `name` is the photo's, for the error where too few points have a depth.
    """
    if map.kind == "scene":
        return map
    known = map.known[points.row, points.column]
    given, wanted = map.inverse[points.row, points.column][known], points.inverse[known]
    if len(given) < _LEAST_POINTS:
        raise InputError(
            f"{name} shows {len(given)} sparse points where its depth is known, and {_LEAST_POINTS} are needed.",
            advice="Leave the photo out, or use --depth stereo, which needs no scale.",
        )
    scale, shift = fit(given, wanted, shifted=map.kind == "relative")
    inverse = scale * map.inverse + shift
    confidence = torch.where(inverse > 0, map.confidence, 0)
    return replace(map, inverse=inverse.clamp(min=0), confidence=confidence, kind="scene")


def fit(given: Float[Tensor, "p"], wanted: Float[Tensor, "p"], *, shifted: bool) -> tuple[float, float]:
    """Scale and shift (0 unless `shifted`) with scale given + shift = wanted for as many as possible; `wanted` > 0."""
    x, y = given.double(), wanted.double()
    scale, shift = _sampled(x, y, shifted)
    for _ in range(_ROUNDS):
        error = (scale * x + shift - y).abs() / y
        agree = error <= max(_AGREES, float(error.quantile(0.3)))
        found = _least_squares(x[agree], y[agree], 1 / y[agree].square(), shifted)
        if found == (scale, shift):
            break
        scale, shift = found
    return scale, shift


def _sampled(x: Tensor, y: Tensor, shifted: bool) -> tuple[float, float]:
    """Of lines through two points (or the origin and one), the one that most points agree with."""
    generator = torch.Generator().manual_seed(0)
    first, second = torch.randint(len(x), (2, _TRIES), generator=generator).to(x.device)
    if shifted:
        apart = x[first] - x[second]
        scales = (y[first] - y[second]) / torch.where(apart == 0, torch.inf, apart)
        shifts = y[first] - scales * x[first]
    else:
        scales = y[first] / torch.where(x[first] == 0, torch.inf, x[first])
        shifts = torch.zeros_like(scales)
    error = (scales[:, None] * x + shifts[:, None] - y).abs() / y
    votes = (1 - (error / _AGREES).square()).clamp(min=0).sum(dim=1)  # MSAC: near ones count more
    best = int(votes.argmax())
    return float(scales[best]), float(shifts[best])


def _least_squares(x: Tensor, y: Tensor, weight: Tensor, shifted: bool) -> tuple[float, float]:
    if not shifted:
        return float((weight * x * y).sum() / (weight * x * x).sum().clamp(min=1e-30)), 0.0
    total = weight.sum()
    mean_x, mean_y = (weight * x).sum() / total, (weight * y).sum() / total
    spread = (weight * (x - mean_x).square()).sum()
    if float(spread) <= 1e-12 * float((weight * x * x).sum()):
        return 0.0, float(mean_y)  # a map without any depth in it
    scale = float((weight * (x - mean_x) * (y - mean_y)).sum() / spread)
    return scale, float(mean_y) - scale * float(mean_x)
