"""`splat`, written to be read: brute force over all pixels and Gaussians, any dtype, plain autograd.

The rules are those of the kernels, which are tested against this in double precision: a Gaussian touches a pixel where
alpha >= 1/255, alpha is capped at 0.999, and a pixel whose transmittance fell below 1e-4 takes no more.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.types import Cameras, Render

__all__ = ["sh_basis", "splat_reference"]

_NEAR, _DILATION, _MIN_ALPHA, _MAX_ALPHA, _MIN_TRANSMITTANCE = 0.01, 0.3, 1 / 255, 0.999, 1e-4


def splat_reference(
    blocks: Float[Tensor, "b c 16"], camera: Cameras, *, sh_degree: int, antialiased: bool = False
) -> Render:
    """One view of the Gaussians; memory grows with pixels times Gaussians.

    `extras["median"]` is the index of the Gaussian that leaves less than half of the light, -1 where none does.
    """
    dtype = blocks.dtype
    planes = blocks.permute(0, 2, 1).reshape(-1, blocks.shape[1])
    means, log_scales, quats, logits = planes[:, :3], planes[:, 3:6], planes[:, 6:10], planes[:, 10]
    sh = planes[:, 11:].unflatten(1, (-1, 3))
    cam_from_world = camera.cam_from_world.to(dtype)
    rotation, translation = cam_from_world[:3, :3], cam_from_world[:3, 3]
    focal, center = camera.focal.to(dtype), camera.center.to(dtype)
    size = torch.stack([camera.width, camera.height]).to(dtype)

    in_camera = means @ rotation.T + translation
    z = in_camera[:, 2]
    keep = z > _NEAR
    safe_z = torch.where(keep, z, torch.ones_like(z))
    slope = in_camera[:, :2] / safe_z[:, None]
    centre = slope * focal + center

    # Covariance in the image: U U^T with U = J W R S. J is taken no farther out than 15 % beyond the image.
    margin = 0.15 * size / focal
    slope = slope.clamp(min=-center / focal - margin, max=(size - center) / focal + margin)
    jacobian = focal[:, None] / safe_z[:, None, None] * (rotation[:2] - slope[..., None] * rotation[2])
    u = jacobian @ _rotations(quats) * log_scales.exp()[:, None, :]
    sharp = u @ u.mT
    blurred = sharp + _DILATION * torch.eye(2, dtype=dtype)
    conic = torch.linalg.inv(blurred)
    opacity = torch.sigmoid(logits)
    if antialiased:
        opacity = opacity * (_determinant(sharp).clamp(min=1e-30) / _determinant(blurred)).sqrt()

    position = -rotation.T @ translation
    towards = torch.nn.functional.normalize(means - position, dim=-1)
    coefficients = (sh_degree + 1) ** 2
    rgb = (0.5 + torch.einsum("gk,gkc->gc", sh_basis(sh_degree, towards), sh[:, :coefficients])).clamp(min=0)

    order = torch.argsort(z, stable=True)
    order = order[keep[order]]
    ys, xs = torch.meshgrid(
        torch.arange(int(size[1]), dtype=dtype) + 0.5, torch.arange(int(size[0]), dtype=dtype) + 0.5, indexing="ij"
    )
    offset = torch.stack([xs, ys], dim=-1)[:, :, None, :] - centre[order]
    power = -0.5 * torch.einsum("hwgi,gij,hwgj->hwg", offset, conic[order], offset)
    alpha = (opacity[order] * power.exp()).clamp(max=_MAX_ALPHA)
    alpha = torch.where(alpha >= _MIN_ALPHA, alpha, torch.zeros_like(alpha))
    render, median = _blend(alpha, rgb[order], z[order])
    which = torch.where(median < 0, -1, order[median.clamp(min=0)]) if len(order) else median
    return replace(render, extras={"median": which})


def _blend(
    alpha: Float[Tensor, "h w g"], rgb: Float[Tensor, "g 3"], z: Float[Tensor, "g"]
) -> tuple[Render, Int[Tensor, "h w"]]:
    """And which Gaussian, in the order given, leaves less than half of the light; -1 where none does."""
    transmittance = alpha.new_ones(alpha.shape[:2])
    colour, depth = torch.zeros(*alpha.shape[:2], 3, dtype=alpha.dtype), torch.zeros_like(transmittance)
    median = torch.full_like(transmittance, -1, dtype=torch.long)
    for i, layer in enumerate(alpha.unbind(dim=-1)):  # one by one, indexing has a gradient as large as all of alpha
        weight = torch.where(transmittance >= _MIN_TRANSMITTANCE, layer * transmittance, 0)
        colour = colour + weight[..., None] * rgb[i]
        depth = depth + weight * z[i]
        left = transmittance - weight
        median = torch.where((transmittance >= 0.5) & (left < 0.5), i, median)
        transmittance = left
    total = 1 - transmittance
    depth = depth / torch.where(total > 0, total, torch.ones_like(total))
    return Render(rgb=colour, alpha=total, depth=depth), median


def _determinant(m: Float[Tensor, "g 2 2"]) -> Float[Tensor, "g"]:
    return m[:, 0, 0] * m[:, 1, 1] - m[:, 0, 1] * m[:, 1, 0]


def _rotations(quats: Float[Tensor, "g 4"]) -> Float[Tensor, "g 3 3"]:
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        torch.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], dim=-1),
        torch.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], dim=-1),
        torch.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=-1),
    ]
    return torch.stack(rows, dim=-2)


def sh_basis(degree: int, towards: Float[Tensor, "g 3"]) -> Float[Tensor, "g k"]:
    """Real spherical harmonics of unit vectors, k = (degree + 1)^2, with the signs of Kerbl et al. 2023."""
    x, y, z = towards.unbind(-1)
    basis = [torch.full_like(x, 0.28209479177387814)]
    if degree >= 1:
        basis += [-0.48860251190291987 * y, 0.48860251190291987 * z, -0.48860251190291987 * x]
    if degree >= 2:
        basis += [
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * z * z - x * x - y * y),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (x * x - y * y),
        ]
    if degree >= 3:
        basis += [
            -0.5900435899266435 * y * (3 * x * x - y * y),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * z * z - x * x - y * y),
            0.3731763325901154 * z * (2 * z * z - 3 * x * x - 3 * y * y),
            -0.4570457994644658 * x * (4 * z * z - x * x - y * y),
            1.445305721320277 * z * (x * x - y * y),
            -0.5900435899266435 * x * (x * x - 3 * y * y),
        ]
    return torch.stack(basis, dim=-1)
