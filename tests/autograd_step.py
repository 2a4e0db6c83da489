"""A training step of Gaussians through autograd: what the fused native step must come to, within rounding."""

from __future__ import annotations

from torch import Tensor

from recon.models.gaussians import GaussianModel
from recon.ops.adam import adam_step
from recon.ops.blocks import LANES
from recon.ops.photometric import photometric
from recon.ops.splat import splat, splat_forward
from recon.types import Batch

__all__ = ["autograd_step"]


def autograd_step(model: GaussianModel, batch: Batch, step: int) -> Tensor:
    """Changes `model` as its `train_step` should; the loss."""
    model._arrive(step)
    target, store = model._target(batch), model.store
    view = {"sh_degree": model.degree, "antialiased": model.config.antialiased}
    leaf = store.blocks.clone().requires_grad_()
    exposure = None if target.exposure is None else target.exposure.clone().requires_grad_()
    render = splat(leaf, batch.cameras, **view)
    loss = photometric(
        render.rgb.permute(2, 0, 1),
        render.alpha,
        target.rgb,
        ssim_weight=model.config.ssim_weight,
        background=target.background,
        exposure=exposure,
        target_alpha=target.alpha,
        mask=target.mask,
    )
    loss.backward()
    assert leaf.grad is not None
    seen = splat_forward(store.blocks, batch.cameras, **view).seen(len(store.blocks) * LANES)
    model._regularise(leaf.grad, seen)
    adam_step(store.blocks, leaf.grad, store.moments, learning_rates=model._rates(), step=step + 1, seen=seen)
    if exposure is not None and exposure.grad is not None:
        model._step_exposure(batch, exposure.grad)
    return loss.detach()
