"""A radiance field that is the scene of the blobs whatever it learns: a model's way to a picture, without training."""

from __future__ import annotations

import torch
from blobs import COLOURS, blob_scene
from torch import Tensor

from recon.models import NerfConfig, build_model
from recon.models.nerf import Detail, NerfModel
from recon.models.nerf.field import Field, Matter
from recon.ops.march import Samples
from recon.ops.place import Placed

__all__ = ["blob_field"]

_CENTERS = torch.tensor([[-1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
_RADIUS = 0.3


class _Balls(Field):
    def at(self, placed: Placed, samples: Samples, directions: Tensor, leaf: Tensor | None = None, *, shine: float = 1):
        nearest = self._distances(placed).argmin(dim=-1)
        return Matter(self.density_at(placed), torch.tensor(list(COLOURS.values()))[nearest] / 255)

    def density_at(self, placed: Placed) -> Tensor:
        return 1e3 * (self._distances(placed).min(dim=-1).values < _RADIUS)

    def density(self, points: Tensor) -> Tensor:
        return 1e3 * (torch.cdist(points, _CENTERS).min(dim=-1).values < _RADIUS)

    def _distances(self, placed: Placed) -> Tensor:
        world = (2 * placed.positions - 1) * self.bounds.radius + torch.tensor(self.bounds.center)
        return torch.cdist(world, _CENTERS)


def blob_field() -> NerfModel:
    """Three balls, as `blobs.Painter` paints them, in a model that marches, looks and composes as after training."""
    detail = Detail(levels=1, entries=4, finest=16, width=16, occupancy=32, steps_across=256)
    model = build_model(NerfConfig(scene="bounded", detail=detail), blob_scene(), steps=1)
    assert isinstance(model, NerfModel)
    model.field = _Balls(model.field.bounds, detail, precision="fp32", generator=torch.Generator())
    model.occupancy.update(64, model.density, seed=0)
    return model
