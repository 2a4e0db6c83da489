"""Whole images of a model that answers rays, some at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.rays.cast import Rays, cast, pixel_centers
from recon.types import Cameras, Render

__all__ = ["Seen", "render_rays"]

_FIRST = 512
"""Rays asked for before it is known how many are answered together."""


@dataclass(frozen=True)
class Seen:
    """What some rays see."""

    rgb: Float[Tensor, "r 3"]
    """Premultiplied."""
    alpha: Float[Tensor, "r"]
    distance: Float[Tensor, "r"]
    """Sum of weight times distance along the ray."""

    def __len__(self) -> int:
        return len(self.alpha)


@torch.no_grad()
def render_rays(
    look: Callable[[Rays], Seen],
    cameras: Cameras,
    pixels: Float[Tensor, "r 2"] | None,
    *,
    at_once: int,
    device: torch.device,
) -> Render:
    """What one camera sees, everywhere or at `pixels`. `look` answers the first of the rays it gets, at least one.

    It gets at most `at_once`, and not many more than it answered last: what it does for the others is lost. It works on
    `device`; the answer is where the camera is.
    """
    places = pixel_centers(cameras, device) if pixels is None else pixels.to(device)
    rays = cast(cameras.to(device), places)
    parts, done, asked = [], 0, min(_FIRST, at_once)
    while done < len(rays):
        parts.append(look(rays[done : done + asked]))
        answered = len(parts[-1])
        done += answered
        asked = min(2 * asked if answered >= asked else answered + answered // 8 + 1, at_once)
    rgb, alpha, distance = (
        torch.cat([getattr(part, name) for part in parts]) if parts else rays.origins.new_zeros(0, *shape)
        for name, shape in (("rgb", (3,)), ("alpha", ()), ("distance", ()))
    )
    depth = distance / alpha.clamp(min=1e-6) * rays.forward
    size = (len(rays),) if pixels is not None else (int(cameras.height), int(cameras.width))
    seen = Render(rgb.reshape(*size, 3), alpha.reshape(size), depth.reshape(size))
    return seen.to(cameras.cam_from_world.device)
