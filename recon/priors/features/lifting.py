"""Features of photos to the Gaussians of a scene: the mean over what each shows, weighted as it was blended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from recon.ops.blocks import pack
from recon.ops.lift import FINEST_CELL, lift
from recon.ops.splat import splat_forward
from recon.types import Cameras, Gaussians, ImageStore, Picture

__all__ = ["Lifted", "lift_features", "shown"]

_CELL = 8
"""Pixels of the view along a cell's side. On fox, features differ by 0.9 % from those at 24, at half as many by 3.3 %;
twice as many take twice the time and differ by 0.1 %."""
_LONGEST = 1600
"""Pixels along the longest side of a view, where that leaves cells as large as lifting asks."""
_MOSTLY = 0.5
"""Share of a cell that must show the subject: the features of others are of what is masked."""


@dataclass(frozen=True)
class Lifted:
    """A feature for each Gaussian."""

    features: Float[Tensor, "g d"]
    """Zeros where no photo shows the Gaussian."""
    weights: Float[Tensor, "g"]
    """Pixels that the Gaussian filled, in all views together, without those that are masked."""

    @property
    def seen(self) -> Bool[Tensor, "g"]:
        return self.weights > 0


def shown(picture: Picture, rows: int, columns: int) -> Float[Tensor, "y x"]:
    """The share of each cell that shows what the photo is of: covered by the subject, and not masked."""
    share = torch.ones(picture.rgb.shape[:2])
    for part in (picture.alpha, picture.mask):
        if part is not None:
            share *= part.float() / 255
    cells = adaptive_avg_pool2d(share[None], (rows, columns))[0]
    return torch.where(cells >= _MOSTLY, cells, 0)


@torch.no_grad()
def lift_features(
    gaussians: Gaussians,
    cameras: Cameras,
    maps: Iterable[Float[Tensor, "_ _ d"]],
    pictures: Sequence[Picture] | ImageStore | None = None,
) -> Lifted:
    """One map for each camera, in their order, and the picture it is of, whose mask counts."""
    blocks = pack(replace(gaussians, sh=torch.zeros_like(gaussians.sh[:, :1])))
    weights = torch.zeros(len(gaussians))
    sums = torch.zeros(0)
    frame = None
    for index, cells in enumerate(maps):
        rows, columns, channels = cells.shape
        share = torch.ones(rows, columns) if pictures is None else shown(pictures[index], rows, columns)
        weighted = torch.cat([cells.float() * share[..., None], share[..., None]], dim=2)
        if index == 0:
            sums = torch.zeros(len(gaussians), channels + 1)
        view = _view_of(cameras[index], rows, columns)
        frame = splat_forward(blocks, view, sh_degree=0, antialiased=gaussians.antialiased, reuse=frame, way_back=False)
        lift(frame, weighted, sums=sums, weights=weights)
    assert sums.dim() == 2, "there is a map for each camera"
    seen = sums[:, -1]
    return Lifted(sums[:, :-1] / seen.clamp(min=1e-12)[:, None], seen)


def _view_of(camera: Cameras, rows: int, columns: int) -> Cameras:
    """The camera at a size that gives the cells their pixels."""
    longest = int(torch.maximum(camera.width, camera.height))
    per_pixel = max(rows / int(camera.height), columns / int(camera.width))
    wanted = min(_CELL * per_pixel * longest, max(_LONGEST, FINEST_CELL * per_pixel * longest))
    view = camera.resized(int(wanted + 1))
    assert int(view.height) >= FINEST_CELL * rows
    assert int(view.width) >= FINEST_CELL * columns
    return view
