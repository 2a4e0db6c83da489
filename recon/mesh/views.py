"""What cameras see of a model's surfaces: depth maps with normals and colours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.ops.surface import normals_of_depth
from recon.types import Cameras, Render, Renderer, Surface, SurfaceRenderer

__all__ = ["DepthView", "Progress", "depth_views", "surface_of"]

Progress = Callable[[float, str], None]
"""Told the share that is done, 0 to 1, and what is at hand."""

_MOST_PIXELS = 60_000_000
"""Of all views together, 13 bytes each; more are rendered smaller."""
_HALF = 0.5
"""Alpha from which a mean depth is taken for a surface."""


@dataclass(frozen=True)
class DepthView:
    """One camera's view, ready to be fused."""

    camera: Cameras
    depth: Float[Tensor, "h w"]
    """0 where there is no surface."""
    normal: Float[Tensor, "h w 3"]
    """float16, towards the camera, in its axes."""
    rgb: UInt8[Tensor, "h w 3"]


def depth_views(model: Renderer, cameras: Cameras, *, progress: Progress) -> list[DepthView]:
    """Every camera's view, at its own resolution as far as memory allows."""
    cameras = _affordable(cameras)
    views = []
    for done in range(len(cameras)):
        progress(done / len(cameras), f"depth {done + 1} of {len(cameras)}")
        camera = cameras[done]
        with torch.no_grad():
            render = model.render(camera)
        surface = surface_of(model, camera, render)
        rgb = render.rgb / render.alpha.clamp(min=1e-3)[..., None]
        rgb = (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        views.append(DepthView(camera, surface.depth.float().cpu(), surface.normal.half().cpu(), rgb))
    return views


@torch.no_grad()
def surface_of(model: Renderer, camera: Cameras, render: Render | None = None) -> Surface:
    """The model's own surface; from its mean depth where it has none of its own, in `render` if that is there already.

    What is not finite is no surface.
    """
    if isinstance(model, SurfaceRenderer):
        surface = model.surface(camera)
        depth, normal = surface.depth, surface.normal
    else:
        render = model.render(camera) if render is None else render
        if render.depth is None:
            raise TypeError(f"{type(model).__name__} renders no depth")
        depth = torch.where(render.alpha >= _HALF, render.depth, 0)
        normal = normals_of_depth(depth, camera)
    good = depth.isfinite() & (depth > 0) & normal.isfinite().all(dim=-1)
    return Surface(torch.where(good, depth, 0), torch.where(good[..., None], normal, 0))


def _affordable(cameras: Cameras) -> Cameras:
    pixels = int((cameras.width * cameras.height).sum())
    if pixels <= _MOST_PIXELS:
        return cameras
    longest = int(torch.maximum(cameras.width, cameras.height).max())
    return cameras.resized(max(16, int(longest * (_MOST_PIXELS / pixels) ** 0.5)))
