"""The score card: how wrong depth is after alignment, without and with sparse points, beside a plane's.

Every map gets the scale and shift in inverse depth with the least AbsRel, the mean of |depth - truth| / truth; a plane
gets the one distance with the least. What is 20 times as far as the nearest tenth of a picture is not judged, and no
map is farther, as benchmarks end at 80 m on streets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.priors.depth.monocular.network import DepthNetwork
from recon.priors.depth.monocular.recipe.batches import Examples
from recon.priors.depth.monocular.spreading import spread

__all__ = ["Answer", "network_answer", "plane_error", "relative_error", "score"]

_FARTHEST = 20
"""Times the depth of the nearest tenth."""
_ROUNDS = 15
_SAMPLE = 2000
"""Pixels that alignments look at."""

Answer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Relative inverse depth from colours `b 3 h w`, sparse inverse depth and where it is known, each `b 1 h w`."""


def network_answer(net: DepthNetwork, *, points: bool) -> Answer:
    """The network with or without the sparse points."""

    def answer(rgb: Tensor, sparse: Tensor, known: Tensor) -> Tensor:
        with torch.inference_mode():
            return net(rgb, sparse, known) if points else net(rgb)

    return answer


def score(examples: Iterable[Examples], net: DepthNetwork) -> dict[str, float]:
    """Mean AbsRel over pictures: of the best planes, of sparse points merely spread out, and of the network."""
    without, given = network_answer(net, points=False), network_answer(net, points=True)
    errors: dict[str, list[float]] = {name: [] for name in ("plane", "spread_points", "network", "network_with_points")}
    for batch in examples:
        for k in range(len(batch.rgb)):
            seen = tuple(part[k : k + 1] for part in (batch.rgb, batch.sparse, batch.known))
            truth = batch.inverse[k, 0]
            if int((truth > 0).sum()) < 100:
                continue
            errors["plane"].append(plane_error(truth))
            errors["spread_points"].append(relative_error(spread(seen[1], seen[2], seen[0])[0, 0], truth))
            errors["network"].append(relative_error(without(*seen)[0, 0], truth))
            errors["network_with_points"].append(relative_error(given(*seen)[0, 0], truth))
    means = {name: round(float(np.mean(values)), 4) for name, values in errors.items()}
    return means | {"pictures": len(errors["plane"])}


def relative_error(answer: Float[Tensor, "h w"], truth: Float[Tensor, "h w"]) -> float:
    """AbsRel of relative inverse depth against inverse depth (0 unknown), after alignment by scale and shift."""
    farthest = judged_from(truth)
    real = truth > farthest
    given, wanted = answer[real].double(), truth[real].double()
    scale, shift = _aligned(given, wanted)
    return _wrong(scale * given + shift, wanted, farthest)


def plane_error(truth: Float[Tensor, "h w"]) -> float:
    """The least AbsRel that any one depth has: that of the median, weighted by one over the depth."""
    wanted = truth[truth > judged_from(truth)].sort(descending=True).values.double()
    middle = int((wanted.cumsum(0) < wanted.sum() / 2).sum())
    return float((wanted / wanted[middle] - 1).abs().mean())


def judged_from(truth: Float[Tensor, "h w"]) -> float:
    """The least inverse depth that counts."""
    return max(float(truth[truth > 0].quantile(0.9)) / _FARTHEST, 1e-9)


def _aligned(x: Tensor, y: Tensor) -> tuple[float, float]:
    """Scale and shift with about the least AbsRel, by reweighted least squares, at first of logarithms."""
    step = max(len(x) // _SAMPLE, 1)
    x, y = x[::step], y[::step]
    columns = torch.stack([x, torch.ones_like(x)], dim=1)
    weight, least = 1 / y, float(y.min()) / 2
    best, found = torch.inf, torch.zeros(2, dtype=y.dtype)
    for round in range(2 * _ROUNDS):
        normal = columns.T @ (weight[:, None] * columns)
        normal = normal + 1e-9 * normal.diagonal().mean() * torch.eye(2, dtype=y.dtype)
        tried = torch.linalg.solve(normal, columns.T @ (weight * y))
        value = (columns @ tried).clamp(min=least)
        wrong = _wrong(value, y, least)
        if wrong < best:
            best, found = wrong, tried
        even = 1 / (value * y * (value / y).log().abs().clamp(min=1e-3))
        weight = even if round < _ROUNDS else 1 / (value * (value - y).abs().clamp(min=1e-3 * y))
    return float(found[0]), float(found[1])


def _wrong(inverse: Tensor, wanted: Tensor, least: float) -> float:
    return float((wanted / inverse.clamp(min=least) - 1).abs().mean())
