"""Clouds with a class each: read, and divided into those that teach and those that choose."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.errors import InputError
from recon.priors.clouds.facing import turned_to_box

__all__ = ["LabelledClouds", "read_labelled"]


_ARRAYS = ("points", "labels", "class_names")


@dataclass(frozen=True)
class LabelledClouds:
    """Clouds of equally many points, z up, radius 1."""

    points: Float[Tensor, "clouds n 3"]
    labels: Int[Tensor, "clouds"]
    classes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Tensor) -> LabelledClouds:
        return LabelledClouds(self.points[index], self.labels[index], self.classes)

    def turned_to_boxes(self) -> LabelledClouds:
        turned = np.stack([turned_to_box(cloud) for cloud in self.points.numpy()])
        return LabelledClouds(torch.from_numpy(turned), self.labels, self.classes)

    def held_out(self, share: float) -> tuple[LabelledClouds, LabelledClouds]:
        """Those that teach and those that choose: every n-th of each class, the same at every call."""
        ranks = torch.zeros(len(self), dtype=torch.int64)
        for label in range(len(self.classes)):
            of_class = self.labels == label
            ranks[of_class] = torch.arange(int(of_class.sum()))
        kept = ranks % max(2, round(1 / share)) == 1
        return self[~kept], self[kept]


def read_labelled(path: Path) -> LabelledClouds:
    """Of an .npz with `points [clouds n 3]`, `labels [clouds]` and `class_names`."""
    advice = "Pass an .npz with the arrays points [clouds, n, 3], labels [clouds] and class_names."
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in _ARRAYS if name not in getattr(file, "files", ())]
            if len(missing) > 0:
                raise InputError(f"{path} has no {' and no '.join(missing)}.", advice=advice)
            points, labels, names = (file[name] for name in _ARRAYS)
    except (OSError, ValueError, EOFError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"{path} is no file of labelled clouds, or is broken.", advice=advice) from error
    if points.dtype.kind not in "fiu" or labels.dtype.kind not in "iu" or names.ndim != 1:
        raise InputError(f"{path} has {points.dtype} as points and {labels.dtype} as labels.", advice=advice)
    if points.ndim != 3 or points.shape[2] != 3 or labels.shape != points.shape[:1] or len(points) == 0:
        raise InputError(f"{path} has points {points.shape} and labels {labels.shape}.", advice=advice)
    if not np.isfinite(points).all():
        raise InputError(f"{path} has points that are not finite.", advice="Leave those clouds out.")
    if int(labels.min()) < 0 or int(labels.max()) >= len(names):
        raise InputError(
            f"{path} has labels from {labels.min()} to {labels.max()} for {len(names)} names.", advice=advice
        )
    return LabelledClouds(
        torch.from_numpy(points.astype(np.float32)),
        torch.from_numpy(labels.astype(np.int64)),
        tuple(str(name) for name in names),
    )
