"""Whether photos come in the order they were taken: by their names, and by how alike neighbours look."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

__all__ = ["in_order", "natural_key"]

_ALIKE = 0.75
"""Neighbours must differ by less than this share of what any two photos differ. Videos: 0.1 to 0.6; shuffled: 1."""


def natural_key(name: str) -> tuple[tuple[int, int | str], ...]:
    """Sorts frame_2 before frame_10."""
    parts = re.split(r"(\d+)", name)
    return tuple((0, int(part)) if part.isdecimal() else (1, part) for part in parts if part != "")


def in_order(names: Sequence[str], thumbnails: Sequence[np.ndarray]) -> bool:
    """Do `names`, sorted by `natural_key`, count the frames of a video or a walk? Thumbnails are gray, of one size.

    One series of numbers without big jumps is necessary; but sets of renders and mixed folders are numbered too, so
    pictures that follow each other must also look more alike than pictures that do not.
    """
    return len(names) >= 5 and _one_series(names) and _closeness(np.stack(thumbnails)) < _ALIKE


def _one_series(names: Sequence[str]) -> bool:
    numbers = [tuple(int(part) for part in re.findall(r"\d+", name)) for name in names]
    texts = {re.sub(r"\d+", "#", name.lower()) for name in names}
    if len(texts) != 1 or len(numbers[0]) == 0:
        return False
    changing = [column for column in zip(*numbers, strict=True) if len(set(column)) > 1]
    if len(changing) == 0:
        return False
    if len(changing) > 1:
        return True  # dates and times: sorted by them
    gaps = np.diff(changing[0])
    return bool((gaps > 0).all() and np.quantile(gaps, 0.9) <= 10 * np.median(gaps))


def _closeness(thumbnails: np.ndarray) -> float:
    """Median difference of neighbours over that of arbitrary pairs, each after removing brightness and contrast."""
    flat = thumbnails.reshape(len(thumbnails), -1).astype(np.float64)
    flat = flat - flat.mean(axis=1, keepdims=True)
    flat /= np.linalg.norm(flat, axis=1, keepdims=True) + 1e-9
    difference = 1 - flat @ flat.T
    neighbours = np.median(np.diagonal(difference, 1))
    others = np.median(difference[np.triu_indices(len(flat), 2)])
    return float(neighbours / max(others, 1e-9))
