"""A mesh moved onto the truth: for reconstructions whose frame and scale are their own."""

from __future__ import annotations

from itertools import product

import numpy as np
from jaxtyping import Float

from recon.geometry import similarity, transform_points
from recon.mesh.comparing import Shape, sample

__all__ = ["aligned", "best_similarity"]

_POINTS = 2_000
"""Samples that alignment looks at."""
_ROUNDS = 40
_KEPT = 0.8
"""Share of nearest pairs that count in a round: the rest is what only one side has."""


def aligned(mesh: Shape, truth: Shape) -> Shape:
    """`mesh` moved, turned and scaled so that it lies on `truth`.

    From where it lies, and from the four ways that its main axes may lie along the truth's; the best fit wins.
    """
    from scipy.spatial import KDTree

    points, real = sample(mesh, count=_POINTS, seed=0), sample(truth, count=_POINTS * 10, seed=1)
    tree = KDTree(real)
    fits = [_refined(start, points, real, tree) for start in [np.eye(4), *_by_main_axes(points, real)]]
    truth_from_mesh = min(fits, key=lambda fit: _misfit(fit, points, tree))
    return Shape(transform_points(truth_from_mesh, mesh.vertices), mesh.faces)


def best_similarity(a: Float[np.ndarray, "p 3"], b: Float[np.ndarray, "p 3"]) -> Float[np.ndarray, "4 4"]:
    """`b_from_a` with the least squared distances. Source: Umeyama 1991."""
    mean_a, mean_b = a.mean(axis=0), b.mean(axis=0)
    u, stretch, vt = np.linalg.svd((b - mean_b).T @ (a - mean_a))
    proper = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = u @ np.diag(proper) @ vt
    scale = float((stretch * proper).sum() / max(((a - mean_a) ** 2).sum(), 1e-30))
    return similarity(scale, rotation, mean_b - scale * rotation @ mean_a)


def _refined(start: np.ndarray, points: np.ndarray, real: np.ndarray, tree) -> np.ndarray:
    """Iterated closest points on the nearest pairs. Source: Chetverikov et al. 2002 (trimmed ICP)."""
    fit = start
    for _ in range(_ROUNDS):
        distance, nearest = tree.query(transform_points(fit, points))
        near = np.argsort(distance)[: int(_KEPT * len(points))]
        better = best_similarity(points[near], real[nearest[near]])
        if np.abs(better - fit).max() < 1e-7 * np.abs(fit).max():
            return better
        fit = better
    return fit


def _by_main_axes(points: np.ndarray, real: np.ndarray) -> list[np.ndarray]:
    (middle_a, axes_a, size_a), (middle_b, axes_b, size_b) = _main_axes(points), _main_axes(real)
    starts = []
    for signs in product((1.0, -1.0), repeat=2):
        turned = axes_b @ np.diag([*signs, signs[0] * signs[1]]) @ axes_a.T
        scale = size_b / max(size_a, 1e-30)
        starts.append(similarity(scale, turned, middle_b - scale * turned @ middle_a))
    return starts


def _main_axes(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    middle = np.median(points, axis=0)
    _, axes = np.linalg.eigh(np.cov((points - middle).T))
    axes[:, 2] *= np.sign(np.linalg.det(axes))
    return middle, axes, float(np.median(np.linalg.norm(points - middle, axis=1)))


def _misfit(fit: np.ndarray, points: np.ndarray, tree) -> float:
    """Of the kept pairs, in the truth's units; a fit that shrank to a point has the truth's far side against it."""
    moved = transform_points(fit, points)
    distance = np.sort(tree.query(moved)[0])[: int(_KEPT * len(points))]
    spread = np.linalg.norm(moved - np.median(moved, axis=0), axis=1)
    real = tree.data - np.median(tree.data, axis=0)
    shrunk = np.median(np.linalg.norm(real, axis=1)) / max(float(np.median(spread)), 1e-30)
    return float(distance.mean()) * max(shrunk, 1.0)
