"""How far a render is from a photo: (1 - w) L1 + w (1 - SSIM), and its gradient, in one pass.

Images are planar, `[3 h w]`. The render is composed over a background and sent through an exposure (an affine colour
transform, for photos that were not all exposed alike); the photo's own transparent parts show the same background. A
mask weighs the pixels: both terms are weighted means over the image.
Sources: the loss is eq. 7 of Kerbl et al. 2023 (w = 0.2); SSIM is Wang et al. 2004, eq. 13, with their 11 x 11 Gaussian
window of deviation 1.5, and zeros beyond the border.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.autograd.function import once_differentiable

from recon.ops.device import gpu_kernels, stream_of
from recon.ops.native import native

__all__ = [
    "PhotometricGradient",
    "photometric",
    "photometric_reference",
    "photometric_with_gradient",
    "ssim",
    "ssim_map",
]


@dataclass(frozen=True)
class PhotometricGradient:
    """The loss, its two terms, and its gradient in everything that is learned."""

    l1: Float[Tensor, ""]
    ssim: Float[Tensor, ""]
    """Mean similarity, 1 for equal images."""
    loss: Float[Tensor, ""]
    rgb: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "h w"]
    exposure: Float[Tensor, "3 4"] | None
    """None when there was no exposure."""


def photometric_with_gradient(
    rgb: Float[Tensor, "3 h w"],
    alpha: Float[Tensor, "h w"],
    target: UInt8[Tensor, "3 h w"],
    *,
    ssim_weight: float = 0.2,
    background: Float[Tensor, "3"] | None = None,
    exposure: Float[Tensor, "3 4"] | None = None,
    target_alpha: UInt8[Tensor, "h w"] | None = None,
    mask: UInt8[Tensor, "h w"] | None = None,
) -> PhotometricGradient:
    """The loss and its gradient, without autograd. The same bits for any number of threads.

    Compared are `exposure @ [rgb + (1 - alpha) background, 1]` and `target a + background (1 - a)`, where `a` is
    `target_alpha`; no background is a black one. A mask of zeros gives a loss and a gradient of zero. All tensors are
    on one device.
    """
    height, width = alpha.shape
    grad_rgb, grad_alpha = torch.empty_like(rgb), torch.empty_like(alpha)
    grad_exposure = None if exposure is None else torch.empty_like(exposure)
    losses = rgb.new_empty(3)
    images = (rgb.detach(), alpha.detach(), target, background, None if exposure is None else exposure.detach())
    weights = (target_alpha, mask, ssim_weight)
    results = (grad_rgb, grad_alpha, grad_exposure, losses)
    kernels = gpu_kernels(rgb, alpha, target, background, exposure, target_alpha, mask)
    if kernels is not None:
        size = kernels.cuda_photometric_bytes(width, height)
        workspace = torch.empty(size, dtype=torch.uint8, device=rgb.device)
        kernels.cuda_photometric(*images, *weights, *results, workspace, stream_of(rgb))
    else:
        scratch = _workspace(width, height, torch.get_num_threads(), threading.get_ident())
        native().photometric(*images, *weights, *results, *scratch)
    return PhotometricGradient(*losses.unbind(), rgb=grad_rgb, alpha=grad_alpha, exposure=grad_exposure)


def photometric(
    rgb: Float[Tensor, "3 h w"],
    alpha: Float[Tensor, "h w"],
    target: UInt8[Tensor, "3 h w"],
    *,
    ssim_weight: float = 0.2,
    background: Float[Tensor, "3"] | None = None,
    exposure: Float[Tensor, "3 4"] | None = None,
    target_alpha: UInt8[Tensor, "h w"] | None = None,
    mask: UInt8[Tensor, "h w"] | None = None,
) -> Float[Tensor, ""]:
    """The loss, differentiable in `rgb`, `alpha` and `exposure`, once. See `photometric_with_gradient`."""
    if background is not None and background.requires_grad:
        raise NotImplementedError("The photometric loss has no gradient in the background.")
    return _Photometric.apply(rgb, alpha, target, ssim_weight, background, exposure, target_alpha, mask)


class _Photometric(torch.autograd.Function):
    @staticmethod
    def forward(ctx, rgb, alpha, target, ssim_weight, background, exposure, target_alpha, mask):
        result = photometric_with_gradient(
            rgb.contiguous(),
            alpha.contiguous(),
            target.contiguous(),
            ssim_weight=ssim_weight,
            background=background,
            exposure=exposure,
            target_alpha=target_alpha,
            mask=mask,
        )
        ctx.save_for_backward(result.rgb, result.alpha, result.exposure)
        return result.loss

    @staticmethod
    @once_differentiable
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        rgb, alpha, exposure = ctx.saved_tensors
        (g,) = grads
        return g * rgb, g * alpha, None, None, None, None if exposure is None else g * exposure, None, None


def photometric_reference(
    rgb: Float[Tensor, "3 h w"],
    alpha: Float[Tensor, "h w"],
    target: UInt8[Tensor, "3 h w"],
    *,
    ssim_weight: float = 0.2,
    background: Float[Tensor, "3"] | None = None,
    exposure: Float[Tensor, "3 4"] | None = None,
    target_alpha: UInt8[Tensor, "h w"] | None = None,
    mask: UInt8[Tensor, "h w"] | None = None,
) -> Float[Tensor, ""]:
    """`photometric`, written to be read, for any floating type."""
    behind = rgb.new_zeros(3, 1, 1) if background is None else background[:, None, None]
    image = rgb + (1 - alpha) * behind
    if exposure is not None:
        image = torch.einsum("ij,jhw->ihw", exposure[:, :3], image) + exposure[:, 3, None, None]
    truth = target.to(rgb.dtype) / 255
    if target_alpha is not None:
        cover = target_alpha.to(rgb.dtype) / 255
        truth = truth * cover + behind * (1 - cover)
    weight = torch.ones_like(alpha) if mask is None else mask.to(rgb.dtype) / 255
    weight = weight / (3 * weight.sum()).clamp(min=1e-30)
    l1 = (weight * (image - truth).abs()).sum()
    unlike = (weight * (1 - ssim_map(image, truth))).sum()
    return (1 - ssim_weight) * l1 + ssim_weight * unlike


def ssim(image: Float[Tensor, "3 h w"], target: Float[Tensor, "3 h w"]) -> Float[Tensor, ""]:
    """Mean structural similarity of two images with values in 0..1: 1 when they are equal."""
    return ssim_map(image, target).mean()


def ssim_map(image: Float[Tensor, "c h w"], target: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Structural similarity at every pixel and channel. Plain torch, any floating type, differentiable."""
    maps = torch.stack([image, target, image * image + target * target, image * target])
    mean_x, mean_y, squares, product = _blur(maps)
    mean_squares, mean_product = mean_x * mean_x + mean_y * mean_y, mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    luminance = (2 * mean_product + c1) / (mean_squares + c1)
    structure = (2 * (product - mean_product) + c2) / (squares - mean_squares + c2)
    return luminance * structure


def _blur(maps: Float[Tensor, "m c h w"]) -> Float[Tensor, "m c h w"]:
    """Mean under the Gaussian window, zeros beyond the border."""
    offsets = torch.arange(-5, 6, dtype=maps.dtype, device=maps.device)
    window = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = window / window.sum()
    planes = maps.flatten(0, 1)[:, None]
    planes = F.conv2d(planes, window[None, None, :, None], padding=(5, 0))
    return F.conv2d(planes, window[None, None, None, :], padding=(0, 5))[:, 0].unflatten(0, maps.shape[:2])


@lru_cache(maxsize=4)
def _workspace(width: int, height: int, threads: int, caller: int) -> tuple[Tensor, Tensor]:
    """Memory that the kernel works in, one for each calling thread; nothing is kept there between calls."""
    floats, bands = native().photometric_workspace(width, height)
    return torch.empty(threads, floats), torch.empty(bands, 16, dtype=torch.float64)
