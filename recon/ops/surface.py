"""Gaussians as surfaces: the plane that each one stands for, and what a camera sees of them.

Along a ray z (u, v, 1) in the camera frame a Gaussian with centre p and covariance S is densest, to first order about
p, on the plane m.x = 1 with m = S^-1 p / (p S^-1 p). So 1/z = m.(u, v, 1) is affine over the image, exactly so for flat
Gaussians. Source: Zhang et al. 2024 (RaDe-GS), section 4, with inverse depth in place of depth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.blocks import LANES, LOG_SCALES, MEANS, QUATS
from recon.ops.splat import splat, splat_forward
from recon.types import Cameras, Render, Surface

__all__ = ["BlendedPlanes", "gaussian_planes", "normals_of_depth", "pixel_rays", "splat_planes", "splat_surface"]

Operator = Callable[..., Render]

_THINNEST = 1e-3
"""Least thickness of a Gaussian in the plane's equation, as a share of its widest: float32 has no digits for less."""
_OFFSET = 100.0
"""Added to planes while they are colours: those of surfaces farther than 0.01 are within it. Costs two digits."""
_STEEPEST = 10.0
"""Greatest slope of a blended plane: seen more edge-on than 6 degrees, its depth says nothing about its neighbours."""
_FAINT, _NEAR, _Y00 = 0.01, 0.01, 0.28209479177387814
_REACH = 3.0
"""Standard deviations in depth within which a Gaussian's surface stays: seen edge-on, a plane has no end."""


@torch.no_grad()
def splat_surface(
    blocks: Float[Tensor, "b c 16"], camera: Cameras, *, antialiased: bool = False, sh_degree: int = 0
) -> Surface:
    """Where each pixel's ray meets the plane of the Gaussian that leaves less than half of the light."""
    height, width = int(camera.height), int(camera.width)
    median = torch.empty(height, width, dtype=torch.int32, device=blocks.device)
    splat_forward(blocks, camera, sh_degree=sh_degree, antialiased=antialiased, median=median, way_back=False)
    which, place = torch.unique(median.clamp(min=0).long(), return_inverse=True)
    if len(blocks) == 0 or not bool((median >= 0).any()):
        return Surface(blocks.new_zeros(height, width), blocks.new_zeros(height, width, 3))
    together = blocks[which // 16, :, which % 16]
    pose = camera.cam_from_world.to(blocks.device)
    plane, spread = gaussian_planes(together, pose)
    centre = together[:, MEANS] @ pose[2, :3] + pose[2, 3]
    ahead = (plane[place] * pixel_rays(camera, blocks.device)).sum(dim=-1)
    depth = 1 / torch.where(ahead > 0, ahead, torch.full_like(ahead, 1e-12))
    near, reach = centre[place], _REACH * spread[place]
    depth = torch.maximum(torch.minimum(depth, near + reach), (near - reach).clamp(min=1e-6))
    normal = -torch.nn.functional.normalize(plane, dim=-1)[place]
    found = median >= 0
    return Surface(torch.where(found, depth, 0), torch.where(found[..., None], normal, 0))


@dataclass(frozen=True)
class BlendedPlanes:
    """The planes that a camera's pixels see, blended as colours are."""

    depth: Float[Tensor, "h w"]
    """Along the camera's z axis; 0 where nothing is seen."""
    normal: Float[Tensor, "h w 3"]
    """Unit vectors towards the camera, in its axes."""
    alpha: Float[Tensor, "h w"]


def splat_planes(
    blocks: Float[Tensor, "b c 16"], camera: Cameras, *, antialiased: bool = False, operator: Operator = splat
) -> BlendedPlanes:
    """Depth and normals from the mean of the planes m. Differentiable in `blocks`.

    The planes are splatted as colours, moved up by `_OFFSET`: colours are not negative. `operator` is `splat`, or its
    reference.
    """
    count, planes = len(blocks) * LANES, blocks.shape[1]
    together = blocks.permute(0, 2, 1).reshape(count, planes)
    pose = camera.cam_from_world.to(blocks.device, blocks.dtype, non_blocking=blocks.device.type == "cuda")
    m, _ = gaussian_planes(together, pose)
    p = together[:, MEANS] @ pose[:3, :3].mT + pose[:3, 3]
    coloured = torch.cat([together[:, :11], (_blunted(m, p) + _OFFSET - 0.5) / _Y00], dim=1)
    render = operator(
        coloured.reshape(-1, LANES, 14).permute(0, 2, 1).contiguous(), camera, sh_degree=0, antialiased=antialiased
    )
    mean = render.rgb - _OFFSET * render.alpha[..., None]
    ahead = (mean * pixel_rays(camera, blocks.device).to(blocks.dtype)).sum(dim=-1)
    seen = (render.alpha > _FAINT) & (ahead > 0)
    depth = torch.where(seen, render.alpha / torch.where(seen, ahead, 1), 0)
    return BlendedPlanes(depth, -torch.nn.functional.normalize(mean, dim=-1), render.alpha)


def gaussian_planes(
    together: Float[Tensor, "g c"], cam_from_world: Float[Tensor, "4 4"]
) -> tuple[Float[Tensor, "g 3"], Float[Tensor, "g"]]:
    """Each Gaussian's plane m in the camera frame, and its standard deviation in depth. Differentiable.

    A row begins with mean, log scales and quaternion, as in blocks.
    """
    rotation, translation = cam_from_world[:3, :3], cam_from_world[:3, 3]
    log_scales = together[:, LOG_SCALES]
    scales = log_scales.exp()
    axes = rotation @ _rotations(together[:, QUATS])
    p = together[:, MEANS] @ rotation.mT + translation
    # Scaled by the thickness, so that nothing overflows: only the direction of S^-1 p and its product with p count.
    thickness = torch.maximum(scales, _THINNEST * scales.amax(dim=-1, keepdim=True))
    inverse = (thickness.amin(dim=-1, keepdim=True) / thickness).square()
    along = (axes.mT @ p[:, :, None])[:, :, 0]
    product = (inverse * along.square()).sum(dim=-1, keepdim=True)
    m = (axes @ (inverse * along)[:, :, None])[:, :, 0] / product.clamp(min=1e-20)
    return m, (axes[:, 2] * scales).norm(dim=-1)


def normals_of_depth(depth: Float[Tensor, "h w"], camera: Cameras) -> Float[Tensor, "h w 3"]:
    """Towards the camera, in its axes, from differences of neighbouring pixels; 0 where one of them has no depth.

    Differentiable in `depth`.
    """
    points = depth[..., None] * pixel_rays(camera, depth.device).to(depth.dtype)
    padded = torch.nn.functional.pad(points.permute(2, 0, 1)[None], (1, 1, 1, 1), mode="replicate")[0].permute(1, 2, 0)
    across, down = padded[1:-1, 2:] - padded[1:-1, :-2], padded[2:, 1:-1] - padded[:-2, 1:-1]
    normal = torch.nn.functional.normalize(torch.cross(down, across, dim=-1), dim=-1)
    known = torch.nn.functional.pad((depth > 0)[None].float(), (1, 1, 1, 1), mode="replicate")[0] > 0
    whole = known[1:-1, 2:] & known[1:-1, :-2] & known[2:, 1:-1] & known[:-2, 1:-1] & known[1:-1, 1:-1]
    return torch.where(whole[..., None], normal, 0)


def _blunted(m: Float[Tensor, "g 3"], p: Float[Tensor, "g 3"]) -> Float[Tensor, "g 3"]:
    """Planes seen nearly edge-on, turned towards the camera about their centres until |m| is within `_STEEPEST` / |p|.

    Still m.p = 1. What cannot be seen (at the camera or behind it) is as good as far away.
    """
    distance = p.norm(dim=-1, keepdim=True)
    facing = p / distance.square().clamp(min=1e-12)
    with torch.no_grad():
        most = (_STEEPEST / distance.clamp(min=1e-6)).clamp(max=_OFFSET / 2)
        share = (most - facing.norm(dim=-1, keepdim=True)) / (m - facing).norm(dim=-1, keepdim=True).clamp(min=1e-12)
        visible = (p[:, 2:] > _NEAR) & m.isfinite().all(dim=-1, keepdim=True)
    return torch.where(visible, facing + share.clamp(0, 1) * (m - facing), 0)


def pixel_rays(camera: Cameras, device: torch.device | None = None) -> Float[Tensor, "h w 3"]:
    """Directions (u, v, 1) of the pixels' centres in the camera frame; on a `device`, or where the camera is.

    Of a camera on the CPU nothing waits for the GPU: its numbers go along with the launches.
    """
    device = camera.focal.device if device is None else device
    x = (torch.arange(int(camera.width), device=device) + 0.5 - camera.center[0]) / camera.focal[0]
    y = (torch.arange(int(camera.height), device=device) + 0.5 - camera.center[1]) / camera.focal[1]
    v, u = torch.meshgrid(y, x, indexing="ij")
    return torch.stack([u, v, torch.ones_like(u)], dim=-1)


def _rotations(quats: Float[Tensor, "g 4"]) -> Float[Tensor, "g 3 3"]:
    """Of quaternions `wxyz` of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=-1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=-1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=-1),
    ]
    return torch.stack(rows, dim=-2)
