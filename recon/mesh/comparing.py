"""How near a mesh is to the truth, both ways: the measures of DTU and of Tanks and Temples.

Accuracy: mean distance from samples of the mesh to the truth. Completeness: the other way. Chamfer: their mean.
Precision and recall: the shares of those samples within a threshold; the F-score is their harmonic mean.
Sources: Aanaes et al. 2016 (DTU); Knapitsch et al. 2017 (Tanks and Temples).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from recon.errors import InputError

__all__ = ["MeshScores", "Shape", "compare", "default_threshold", "has_outliers", "sample"]

_FEWEST, _MOST = 20_000, 500_000
"""Points on either surface."""
_SPACING = 0.25
"""Distance between neighbouring samples, as a share of the threshold, as far as their number allows."""
_SHARE = 0.01
"""Of the truth's longest side: the threshold where none is given."""
_FAR = 10.0
"""Times as long as the box of nearly all points, a bounding box says nothing of the shape."""
_AT_ONCE = 20_000
"""Points between two reports of progress."""


@dataclass(frozen=True)
class Shape:
    """A triangle mesh, or points where there are no faces."""

    vertices: Float[np.ndarray, "v 3"]
    faces: Int[np.ndarray, "f 3"]


@dataclass(frozen=True)
class MeshScores:
    """Distances in the truth's units, shares 0 to 1."""

    threshold: float
    accuracy: float
    completeness: float
    chamfer: float
    precision: float
    recall: float
    fscore: float


def default_threshold(truth: Shape) -> float:
    """1 % of the longest side of the truth's bounding box."""
    return _SHARE * float(np.ptp(truth.vertices, axis=0).max())


def has_outliers(shape: Shape) -> bool:
    """Whether the bounding box is that of a few points that lie far from the rest."""
    inner = np.ptp(np.percentile(shape.vertices, (1, 99), axis=0), axis=0).max()
    return bool(np.ptp(shape.vertices, axis=0).max() > _FAR * inner)


def compare(
    mesh: Shape,
    truth: Shape,
    *,
    threshold: float,
    visible: Shape | None = None,
    progress: Callable[[float, str], None] = lambda done, what: None,
) -> MeshScores:
    """Scores of `mesh`. With `visible`, the part of the truth that could be seen, nothing else has to be found."""
    if not threshold > 0:
        raise InputError(f"A threshold of {threshold} counts nothing.", advice="Give a positive distance.")
    found = sample(mesh, count=_count(mesh, threshold), seed=0)
    real = sample(truth, count=_count(truth, threshold), seed=1)
    wanted = real if visible is None else sample(visible, count=_MOST, seed=2)
    to_truth = _distances(found, real, lambda done: progress(done / 2, "from the mesh to the truth"))
    to_mesh = _distances(wanted, found, lambda done: progress((1 + done) / 2, "from the truth to the mesh"))
    precision, recall = float((to_truth < threshold).mean()), float((to_mesh < threshold).mean())
    accuracy, completeness = float(to_truth.mean()), float(to_mesh.mean())
    return MeshScores(
        threshold=threshold,
        accuracy=accuracy,
        completeness=completeness,
        chamfer=(accuracy + completeness) / 2,
        precision=precision,
        recall=recall,
        fscore=2 * precision * recall / max(precision + recall, 1e-12),
    )


def _distances(
    points: Float[np.ndarray, "p 3"], others: Float[np.ndarray, "q 3"], progress: Callable[[float], None]
) -> Float[np.ndarray, "p"]:
    """From each point to the nearest of the others. Minutes where the two lie far apart: a tree helps little then."""
    from scipy.spatial import KDTree

    tree, distances = KDTree(others), []
    for start in range(0, len(points), _AT_ONCE):
        progress(start / len(points))
        distances.append(tree.query(points[start : start + _AT_ONCE], workers=-1)[0])
    return np.concatenate(distances)


def sample(shape: Shape, *, count: int, seed: int) -> Float[np.ndarray, "p 3"]:
    """`count` points uniform by area; of a cloud all its points, or `count` of them."""
    random = np.random.default_rng(seed)
    if len(shape.faces) == 0:
        if len(shape.vertices) <= count:
            return shape.vertices
        return shape.vertices[np.sort(random.choice(len(shape.vertices), count, replace=False))]
    a, b, c = (shape.vertices[shape.faces[:, i]] for i in range(3))
    reach = np.cumsum(_areas(shape))
    if not reach[-1] > 0:
        raise InputError("The mesh has no area.", advice="Pass a mesh with real triangles.")
    face = np.searchsorted(reach, random.random(count) * reach[-1], side="right").clip(max=len(reach) - 1)
    s, t = random.random((2, count, 1))
    s, t = np.where(s + t > 1, 1 - s, s), np.where(s + t > 1, 1 - t, t)
    return a[face] + s * (b - a)[face] + t * (c - a)[face]


def _areas(shape: Shape) -> Float[np.ndarray, "f"]:
    a, b, c = (shape.vertices[shape.faces[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=-1) / 2


def _count(shape: Shape, threshold: float) -> int:
    """How many samples tell distances of `threshold` apart; of a cloud, all it has."""
    if len(shape.faces) == 0:
        return _MOST
    return int(np.clip(float(_areas(shape).sum()) / (_SPACING * threshold) ** 2, _FEWEST, _MOST))
