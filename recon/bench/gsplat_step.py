"""A training step as gsplat takes it, with what it recommends: fused or selective Adam, no absolute gradients."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.bench.inputs import Input
from recon.ops.photometric import photometric_with_gradient

__all__ = ["GsplatStep", "call_options"]


class GsplatStep:
    """The same Gaussians, camera and photo as `GaussianStep`. Activations are part of the forward, as in training."""

    def __init__(self, view: Input, device: torch.device, *, packed: bool) -> None:
        import gsplat

        g = view.gaussians
        self.version = gsplat.__version__
        self._gsplat = gsplat
        self._options = call_options(view, device, packed=packed)
        parts = {"means": g.means, "quats": g.quats, "scales": g.log_scales, "opacities": g.opacity_logits}
        parts |= {"dc": g.sh[:, :1], "rest": g.sh[:, 1:]}
        self.parameters = {name: part.to(device, copy=True).requires_grad_() for name, part in parts.items()}
        groups = [{"params": [part], "lr": 1e-9, "name": name} for name, part in self.parameters.items()]
        self._adam = torch.optim.Adam(groups, eps=1e-15, fused=True)
        self._selective = [gsplat.SelectiveAdam([group], eps=1e-15, betas=(0.9, 0.999)) for group in groups]
        generator = torch.Generator().manual_seed(0)
        shape = (3, self._options["height"], self._options["width"])
        self._photo = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator).to(device)
        self._image: Tensor | None = None
        self._alpha: Tensor | None = None
        self._info: dict[str, Any] = {}
        self._grads: tuple[Tensor, Tensor] | None = None

    def forward(self) -> None:
        p = self.parameters
        self._image, self._alpha, self._info = self._gsplat.rasterization(
            means=p["means"],
            quats=p["quats"],
            scales=p["scales"].exp(),
            opacities=torch.sigmoid(p["opacities"]),
            colors=torch.cat([p["dc"], p["rest"]], dim=1),
            **self._options,
        )

    def planar_image(self) -> Float[Tensor, "3 h w"]:
        assert self._image is not None
        return self._image.detach()[0].permute(2, 0, 1).contiguous()

    def compare(self) -> None:
        """Our loss on their image, so that the loss decides nothing."""
        assert self._alpha is not None
        alpha = self._alpha.detach()[0, :, :, 0].contiguous()
        loss = photometric_with_gradient(self.planar_image(), alpha, self._photo, ssim_weight=0.2)
        self._grads = loss.rgb.permute(1, 2, 0)[None], loss.alpha[None, :, :, None]

    def backward(self) -> None:
        assert self._image is not None
        assert self._alpha is not None
        assert self._grads is not None
        for parameter in self.parameters.values():
            parameter.grad = None
        torch.autograd.backward([self._image, self._alpha], list(self._grads))

    def adam(self) -> None:
        self._adam.step()

    def selective_adam(self) -> None:
        """Moves only what was seen, as ours does."""
        radii, count = self._info["radii"], len(self.parameters["means"])
        if "gaussian_ids" in self._info and self._info["gaussian_ids"] is not None:
            seen = torch.zeros(count, dtype=torch.bool, device=radii.device)
            seen[self._info["gaussian_ids"]] = True
        else:
            seen = (radii.reshape(count, -1) > 0).all(dim=-1)
        for optimiser in self._selective:
            optimiser.step(seen)


def call_options(view: Input, device: torch.device, *, packed: bool) -> dict[str, Any]:
    """Everything of a call that stays the same from step to step."""
    camera = view.cameras[0]
    intrinsics = torch.eye(3)
    intrinsics[0, 0], intrinsics[1, 1] = camera.focal
    intrinsics[:2, 2] = camera.center
    return {
        "viewmats": camera.cam_from_world[None].to(device),
        "Ks": intrinsics[None].to(device),
        "width": int(camera.width),
        "height": int(camera.height),
        "sh_degree": view.gaussians.sh_degree,
        "packed": packed,
        "absgrad": False,
        "rasterize_mode": "antialiased" if view.gaussians.antialiased else "classic",
    }
