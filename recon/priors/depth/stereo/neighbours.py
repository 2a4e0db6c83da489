"""Which photos to compare a photo with: those that see the same points, from elsewhere but not from too far away.

Source: Yao et al. 2018 (MVSNet), section 4.1: a Gaussian of the angle under which two photos see a point, steep towards
too small angles. Theirs peaks at 5 degrees for 49 dense views; photos taken by hand lie farther apart.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from recon.types import Cameras, Points

__all__ = ["neighbours_of"]

_ANGLE, _NARROWER, _WIDER = 10.0, 5.0, 15.0
"""Degrees: the best angle, and how fast smaller and larger ones get worse."""
_POINTS = 1000
_LEAST_SHARED = 5


def neighbours_of(index: int, cameras: Cameras, points: Points, views: Sequence[int], count: int) -> list[int]:
    """At most `count` of `views`, without `index` itself: each next one helps most where those before see little."""
    others = [view for view in views if view != index]
    xyz = points.xyz[:: max(len(points) // _POINTS, 1)]
    xyz = xyz[_sees(cameras[index], xyz)]
    if len(others) == 0 or len(xyz) < _LEAST_SHARED:
        return []
    here = torch.nn.functional.normalize(cameras[index].position - xyz, dim=-1)
    worth = torch.stack([_worth(cameras[view], here, xyz) for view in others])
    shares = (worth > 0).sum(dim=1) >= _LEAST_SHARED
    chosen: list[int] = []
    seen = torch.zeros(len(xyz))
    while len(chosen) < count and bool(shares.any()):
        gain = torch.where(shares, (worth / (1 + seen).square()).sum(dim=1), -1)
        best = int(gain.argmax())
        chosen.append(others[best])
        shares[best] = False
        seen += worth[best]
    return chosen


def _worth(camera: Cameras, here: Float[Tensor, "p 3"], xyz: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
    """How well each point can be found with this camera, 0..1; `here` are directions to the photo itself."""
    there = torch.nn.functional.normalize(camera.position - xyz, dim=-1)
    angle = torch.rad2deg(torch.arccos((here * there).sum(dim=-1).clamp(-1, 1)))
    spread = torch.where(angle < _ANGLE, _NARROWER, _WIDER)
    return torch.where(_sees(camera, xyz), (-0.5 * ((angle - _ANGLE) / spread).square()).exp(), 0)


def _sees(camera: Cameras, xyz: Float[Tensor, "p 3"]) -> Tensor:
    seen = xyz @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    pixel = seen[:, :2] / seen[:, 2:].clamp(min=1e-9) * camera.focal + camera.center
    size = torch.stack([camera.width, camera.height]).to(pixel)
    return (seen[:, 2] > 1e-6) & (pixel >= 0).all(dim=-1) & (pixel < size).all(dim=-1)
