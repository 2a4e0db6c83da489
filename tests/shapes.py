"""Clouds of simple things, for tests of what tells clouds apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np

__all__ = ["CLASSES", "box_cloud", "labelled_file", "pole_cloud", "rod_table"]

CLASSES = ("plate", "pole")


def box_cloud(size: tuple[float, float, float], count: int = 512, seed: int = 0) -> np.ndarray:
    """Points uniform over the surface of a box about the origin, `[count 3]`."""
    random = np.random.default_rng(seed)
    x, y, z = size
    areas = np.array([y * z, x * z, x * y])
    axis = random.choice(3, count, p=areas / areas.sum())
    points = (random.random((count, 3)) - 0.5) * size
    points[np.arange(count), axis] = np.sign(points[np.arange(count), axis]) * np.array(size)[axis] / 2
    return points


def pole_cloud(count: int = 512, seed: int = 0) -> np.ndarray:
    return box_cloud((0.3, 0.3, 2.0), count, seed)


def rod_table(count: int = 4000, seed: int = 0) -> np.ndarray:
    """A table of 1.2 x 0.8 x 0.7 with four legs, standing on z = 0."""
    top = box_cloud((1.2, 0.8, 0.05), count // 2, seed) + np.array([0, 0, 0.7])
    legs = [
        box_cloud((0.06, 0.06, 0.7), count // 8, seed + i) + np.array([x, y, 0.35])
        for i, (x, y) in enumerate([(0.55, 0.35), (-0.55, 0.35), (0.55, -0.35), (-0.55, -0.35)])
    ]
    return np.concatenate([top, *legs])


def labelled_file(path: Path, each: int = 12, count: int = 96) -> Path:
    """An .npz of plates and poles as `recon pointnet` reads it."""
    random = np.random.default_rng(1)
    points = [box_cloud((2, 2, 0.2 + 0.2 * random.random()), count, seed) for seed in range(each)]
    points += [pole_cloud(count, 100 + seed) for seed in range(each)]
    stacked = np.stack([cloud / np.linalg.norm(cloud, axis=1).max() for cloud in points]).astype(np.float16)
    np.savez(path, points=stacked, labels=np.repeat(np.arange(2, dtype=np.uint8), each), class_names=np.array(CLASSES))
    return path
