"""How right a depth map is. Source: Eigen et al. 2014, section 4.2."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from recon.priors.protocols import DepthMap
from recon.sparse import SparseDepth

__all__ = ["DepthScores", "score_at_points", "score_depth"]


@dataclass(frozen=True)
class DepthScores:
    """Over the pixels where both the map and the reference are known."""

    abs_rel: float
    """Mean of |depth - truth| / truth."""
    median_rel: float
    """Median of the same."""
    delta_1: float
    """Share of pixels where the larger of depth / truth and truth / depth is under 1.25."""
    covered: float
    """Share of the reference's pixels or points where the map is known."""
    count: int
    """How many were compared."""


def score_depth(map: DepthMap, truth: Float[Tensor, "h w"]) -> DepthScores | None:
    """Against a depth map in world units, 0 where unknown; None where nothing can be compared."""
    real = truth > 0
    return _scores(map.depth[real], truth[real])


def score_at_points(map: DepthMap, points: SparseDepth) -> DepthScores | None:
    """Against sparse points; None where nothing can be compared."""
    return _scores(map.depth[points.row, points.column], 1 / points.inverse)


def _scores(depth: Float[Tensor, "p"], truth: Float[Tensor, "p"]) -> DepthScores | None:
    known = depth > 0
    if not bool(known.any()):
        return None
    depth, truth, covered = depth[known].double(), truth[known].double(), float(known.double().mean())
    error = (depth - truth).abs() / truth
    ratio = (depth / truth).maximum(truth / depth)
    return DepthScores(
        abs_rel=float(error.mean()),
        median_rel=float(error.median()),
        delta_1=float((ratio < 1.25).double().mean()),
        covered=covered,
        count=len(depth),
    )
