"""The nouns of recon. All frozen; transforming one returns a new one.

Conventions, true everywhere:

- `b_from_a` maps a point in frame a to frame b, so products cancel: `c_from_b @ b_from_a`.
- Camera axes: +x right, +y down, +z forward. Quaternions are `wxyz`. Pixel centres are at `.5`.
- `rgb` is premultiplied by `alpha`, without background; only `Render.over` composes. Colours are sRGB in 0..1.
- `depth` is the distance along the camera's z axis, in scene units, undefined where `alpha == 0`.
- Frames: "input" is the frame the user's data came in (exports are in it); "world" is the frame of training, which
  differs from it by a translation and a uniform scale only (`Scene.input_from_world`).
- Letters in shapes: `n` cameras, `h w` image, `r` rays, `s` samples, `g` Gaussians, `k` SH coefficients, `p` points.
"""

from __future__ import annotations

from recon.types.cameras import Cameras
from recon.types.capture import Capture, LeftOut, Lens, Photo, Points, Reconstruction, View
from recon.types.protocols import HasDensity, HasGaussians, Model, Optimizer, Renderer, SurfaceRenderer, TakesPixels
from recon.types.results import Gaussians, Metrics, Render, StepReport, Surface, ViewScore
from recon.types.scene import Batch, DepthKind, DepthMap, ImageStore, Picture, Pixels, Scene

__all__ = [
    "Batch",
    "Cameras",
    "Capture",
    "DepthKind",
    "DepthMap",
    "Gaussians",
    "HasDensity",
    "HasGaussians",
    "ImageStore",
    "LeftOut",
    "Lens",
    "Metrics",
    "Model",
    "Optimizer",
    "Photo",
    "Picture",
    "Pixels",
    "Points",
    "Reconstruction",
    "Render",
    "Renderer",
    "Scene",
    "StepReport",
    "Surface",
    "SurfaceRenderer",
    "TakesPixels",
    "View",
    "ViewScore",
]
