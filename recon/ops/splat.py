"""Gaussians to pixels and back: projection, tile binning, sorting and blending, and their gradients.

Letters: `b` blocks of 16 Gaussians, `c` planes of a block (see `recon.ops.blocks`), `h w` the image. Images are planar
here, [3 h w]. Sources: Kerbl et al. 2023 (3D Gaussian splatting), Yu et al. 2024 (Mip-Splatting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.ops.adam import Moments
from recon.ops.device import gpu_kernels
from recon.ops.native import native
from recon.ops.splat_gpu import GpuFrame
from recon.types import Cameras, Render

__all__ = ["Frame", "splat", "splat_backward", "splat_backward_adam", "splat_forward", "view_of"]


def splat(blocks: Float[Tensor, "b c 16"], camera: Cameras, *, sh_degree: int, antialiased: bool = False) -> Render:
    """One view of the Gaussians. Differentiable in `blocks` and in `camera.cam_from_world`.

    `camera` has no batch dimension. Depth is the mean over the Gaussians that a pixel sees, 0 where it sees none. All
    of it is on the device of the blocks.
    """
    rgb, alpha, weighted_depth = _Splat.apply(blocks, camera.cam_from_world, camera, sh_degree, antialiased)
    depth = weighted_depth / torch.where(alpha > 0, alpha, torch.ones_like(alpha))
    return Render(rgb=rgb.permute(1, 2, 0), alpha=alpha, depth=depth)


@dataclass(frozen=True)
class Frame:
    """A view as `splat_forward` left it, ready for the way back; `scratch` belongs to it until the next forward."""

    rgb: Float[Tensor, "3 h w"]
    alpha: Float[Tensor, "h w"]
    scratch: Any
    """The native frame: pass it to the next `splat_forward` to reuse its memory."""

    @property
    def seen_count(self) -> int:
        return self.scratch.seen_count

    @property
    def pair_count(self) -> int:
        """(Gaussian, tile) pairs: what sorting and blending cost."""
        return self.scratch.pair_count

    def seen(self, count: int) -> Bool[Tensor, "count"]:
        """Which of the first `count` Gaussians touch the image."""
        out = torch.empty(-(-count // 16) * 16, dtype=torch.bool, device=self.rgb.device)
        self.scratch.seen(out)
        return out[:count]


def splat_forward(
    blocks: Float[Tensor, "b c 16"],
    camera: Cameras,
    *,
    sh_degree: int,
    antialiased: bool = False,
    depth: Tensor | None = None,
    median: Int[Tensor, "h w"] | None = None,
    reuse: Frame | None = None,
    way_back: bool = True,
    wait: bool = True,
) -> Frame:
    """One view, outside autograd. `depth [h w]`, where given, receives the sum of weight times depth.

    `median`, int32, where given, receives the index of the Gaussian that leaves less than half of the light, -1 where
    none does.

    On a GPU, a frame without a `way_back` takes less memory, and one that does not `wait` for the GPU may be empty: see
    `recon.ops.splat_gpu`. On the CPU both change nothing. A camera on the CPU costs no waiting either.
    """
    height, width = int(camera.height), int(camera.width)
    if reuse is not None and reuse.alpha.shape == (height, width):
        rgb, alpha = reuse.rgb, reuse.alpha
    else:
        rgb, alpha = blocks.new_empty(3, height, width), blocks.new_empty(height, width)
    view = view_of(camera, sh_degree=sh_degree, antialiased=antialiased)
    kernels = gpu_kernels(blocks, depth, median)
    if kernels is not None:
        scratch = GpuFrame(kernels) if reuse is None else reuse.scratch
        scratch.forward(blocks.detach(), view, (rgb, alpha, depth, median), way_back=way_back, wait=wait)
        return Frame(rgb, alpha, scratch)
    scratch = native().SplatFrame() if reuse is None else reuse.scratch
    scratch.forward(blocks.detach(), *view, rgb, alpha, depth, median)
    return Frame(rgb, alpha, scratch)


def view_of(camera: Cameras, *, sh_degree: int, antialiased: bool) -> tuple[Any, ...]:
    """A camera as the kernels take it: pose on the CPU, focal lengths, centre, bands, whether blurred to the pixels."""
    pose = camera.cam_from_world.detach().cpu().contiguous()
    return pose, *camera.focal.tolist(), *camera.center.tolist(), sh_degree, antialiased


def splat_backward(
    frame: Frame,
    blocks: Float[Tensor, "b c 16"],
    *,
    grad_rgb: Float[Tensor, "3 h w"],
    grad_alpha: Float[Tensor, "h w"],
    grad_depth: Float[Tensor, "h w"] | None = None,
) -> Float[Tensor, "b c 16"]:
    """The gradient in `blocks`, outside autograd; for losses that add to it before Adam takes it.

    `grad_depth` is that of the sum of weight times depth; only where the forward was given a place for it.
    """
    grads = torch.empty_like(blocks)
    frame.scratch.backward(grad_rgb, grad_alpha, grad_depth, grads, blocks.new_zeros(4, 4))
    return grads


def splat_backward_adam(
    frame: Frame,
    blocks: Float[Tensor, "b c 16"],
    moments: Moments,
    *,
    grad_rgb: Float[Tensor, "3 h w"],
    grad_alpha: Float[Tensor, "h w"],
    learning_rates: Float[Tensor, "c"],
    step: int,
    stats: Float[Tensor, "b 3 16"] | None = None,
    regularise_opacity: float = 0.0,
    regularise_scale: float = 0.0,
    loss: Float[Tensor, ""] | None = None,
) -> None:
    """Backward and Adam in one pass over the Gaussians that were seen; the others keep parameters and moments.

    `blocks` and `moments` change in place. `step` counts from 1. `stats` collects, per Gaussian, the sum of the screen
    position's absolute gradients in half longest sides (AbsGS, Ye et al. 2024), the number of views, and the largest
    radius as a share of the longest side. The two regularisers are added to the gradients of opacity and of each scale
    (3DGS-MCMC, Kheradmand et al. 2024, section 3.3). Where `loss` is given and is not finite, nothing changes.
    """
    pulls = regularise_opacity, regularise_scale
    if isinstance(frame.scratch, GpuFrame):
        frame.scratch.inputs(learning_rates, step, pulls)
        seen_loss = None if loss is None else loss.detach().reshape(1)
        frame.scratch.backward_adam(grad_rgb, grad_alpha, blocks, moments.first, moments.second, stats, seen_loss)
        return
    if loss is not None and not bool(torch.isfinite(loss)):
        return
    unused = torch.zeros(4, 4)
    rates = (learning_rates, step, 0.9, 0.999, 1e-15)
    frame.scratch.backward_adam(
        grad_rgb, grad_alpha, blocks, moments.first, moments.second, *rates, *pulls, stats, unused
    )


class _Splat(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, blocks: Tensor, cam_from_world: Tensor, camera: Cameras, sh_degree: int, antialiased: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        depth = blocks.new_empty(int(camera.height), int(camera.width))
        ctx.frame = splat_forward(
            blocks.contiguous(),
            camera,
            sh_degree=sh_degree,
            antialiased=antialiased,
            depth=depth,
            way_back=any(ctx.needs_input_grad),
        )
        ctx.depth = depth
        ctx.save_for_backward(blocks, cam_from_world)
        return ctx.frame.rgb.clone(), ctx.frame.alpha.clone(), depth.clone()

    @staticmethod
    def backward(ctx: Any, grad_rgb: Tensor, grad_alpha: Tensor, grad_depth: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        (blocks, cam_from_world) = ctx.saved_tensors  # raises when the parameters changed in between
        grads, grad_camera = torch.empty_like(blocks), blocks.new_zeros(4, 4)
        ctx.frame.scratch.backward(
            grad_rgb.contiguous(), grad_alpha.contiguous(), grad_depth.contiguous(), grads, grad_camera
        )
        return grads, grad_camera.to(cam_from_world.device), None, None, None
