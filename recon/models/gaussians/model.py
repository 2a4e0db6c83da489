"""3D Gaussians that learn from photos: one fused native step."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.gaussians.band_limit import BandLimit
from recon.models.gaussians.config import GaussianConfig
from recon.models.gaussians.density import Density
from recon.models.gaussians.depth_guide import guidance
from recon.models.gaussians.exposure import Exposure
from recon.models.gaussians.flatness import surface_losses
from recon.models.gaussians.recorded import RecordedStep
from recon.models.gaussians.schedule import active_degree, decayed, plane_rates
from recon.models.gaussians.store import GaussianStore
from recon.ops.adam import Moments, adam_step
from recon.ops.blocks import LANES, pack, unpack
from recon.ops.moments import moments_for
from recon.ops.photometric import PhotometricGradient, photometric_with_gradient
from recon.ops.splat import Frame, splat, splat_backward, splat_backward_adam, splat_forward
from recon.ops.step_graph import Photo
from recon.ops.surface import splat_surface
from recon.types import Batch, Cameras, Gaussians, Render, Surface

__all__ = ["GaussianModel"]

_FITS = 0.9
"""Share of the Gaussians that are kept when memory runs out: sorting and blending take more than they do themselves."""


class GaussianModel:
    """A `Model` (recon.types). `pace` says how far training is; without it, `steps` does."""

    sampling: Literal["images", "pixels"] = "images"

    def __init__(
        self,
        config: GaussianConfig,
        gaussians: Gaussians,
        *,
        extent: float,
        cameras: Cameras,
        trained: tuple[int, ...],
        steps: int,
        seed: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.store = GaussianStore.fresh(pack(gaussians).to(self.device), len(gaussians))
        self.exposure = Exposure(len(cameras), trained, self.device) if config.exposure else None
        self.band_limit = BandLimit(cameras[list(trained)]) if config.antialiased else None
        self.density = Density(
            config.density, first=len(gaussians), most=config.max_gaussians, extent=extent, seed=seed
        )
        self._extent = extent
        self._steps = max(steps, 1)
        self._progress = 0.0
        self._paced = False
        self._generator = torch.Generator().manual_seed(seed)
        self._frame: Frame | None = None
        self.recorded = RecordedStep(antialiased=config.antialiased, ssim_weight=config.ssim_weight)

    def pace(self, progress: float) -> None:
        """From now on training is this far, 0 to 1; for runs whose number of steps is not known in advance."""
        self._progress, self._paced = progress, True

    @property
    def degree(self) -> int:
        """Bands of colour in use."""
        return active_degree(self._progress, sh_degree=self.config.sh_degree, bands_by=self.config.bands_by)

    def train_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Forward, loss, backward and Adam in native code. A loss that is not finite changes nothing.

        On a GPU nothing of it waits: the losses are there when they are read.
        """
        self._arrive(step)
        target, store = self._target(batch), self.store
        guided = batch.depth is not None and self._progress < self.config.depth_terms.until
        replayed = None if guided else self._replayed(batch, target, step)
        if replayed is not None:
            return replayed
        depth = torch.empty(target.rgb.shape[1:], device=self.device) if guided else None
        frame = splat_forward(
            store.blocks,
            batch.cameras,
            sh_degree=self.degree,
            antialiased=self.config.antialiased,
            depth=depth,
            reuse=self._frame,
            wait=False,
        )
        self._frame = frame
        loss = photometric_with_gradient(
            frame.rgb,
            frame.alpha,
            target.rgb,
            ssim_weight=self.config.ssim_weight,
            background=target.background,
            exposure=target.exposure,
            target_alpha=target.alpha,
            mask=target.mask,
        )
        losses = self._terms(loss.l1, loss.ssim)
        # On a GPU a look waits; there the kernel looks, but for what goes beside it.
        looks = self.device.type == "cpu" or self.config.surface or guided
        if looks and not bool(torch.isfinite(loss.loss)):
            return losses
        if self.config.surface or depth is not None:
            return losses | self._step_with_terms(batch, target, frame, loss, depth, step)
        opacity_pull, scale_pull = self.density.pulls(store.count)
        splat_backward_adam(
            frame,
            store.blocks,
            store.moments,
            grad_rgb=loss.rgb,
            grad_alpha=loss.alpha,
            learning_rates=self._rates(),
            step=step + 1,
            stats=store.stats if self.density.wants_statistics else None,
            regularise_opacity=opacity_pull,
            regularise_scale=scale_pull,
            loss=loss.loss,
        )
        if loss.exposure is not None:
            self._step_exposure(batch, loss.exposure)
        self.recorded.record(
            *(frame, target, batch.cameras),
            blocks=store.blocks,
            moments=store.moments,
            stats=store.stats if self.density.wants_statistics else None,
            sh_degree=self.degree,
        )
        return losses

    def _replayed(self, batch: Batch, target: Photo, step: int) -> dict[str, Tensor] | None:
        """The training step as it was recorded, where it is one like that."""
        store = self.store
        loss = self.recorded.replay(
            *(target, batch.cameras),
            blocks=store.blocks,
            moments=store.moments,
            stats=store.stats if self.density.wants_statistics else None,
            sh_degree=self.degree,
            learning_rates=self._rates(),
            step=step + 1,
            pulls=self.density.pulls(store.count),
        )
        if loss is None:
            return None
        self._frame = self.recorded.frame
        if loss.exposure is not None:
            self._step_exposure(batch, loss.exposure)
        return self._terms(loss.l1, loss.ssim)

    def _step_with_terms(
        self,
        batch: Batch,
        target: Photo,
        frame: Frame,
        loss: PhotometricGradient,
        depth: Tensor | None,
        step: int,
    ) -> dict[str, Tensor]:
        """The rest of a step that asks for more than pictures: those gradients join theirs.

        `depth [h w]` is the frame's sum of weight times depth, where the batch knows depth.
        """
        store, terms = self.store, {}
        grad_alpha, grad_depth = loss.alpha, None
        if depth is not None and batch.depth is not None:
            told = guidance(
                depth, frame.alpha, batch.depth, batch.cameras, terms=self.config.depth_terms, progress=self._progress
            )
            terms |= told.losses
            grad_alpha, grad_depth = grad_alpha + told.grad_alpha, told.grad_depth
        seen = frame.seen(len(store.blocks) * LANES)
        gradient = splat_backward(frame, store.blocks, grad_rgb=loss.rgb, grad_alpha=grad_alpha, grad_depth=grad_depth)
        if self.config.surface:
            terms |= self._add_surface(gradient, batch, target, seen)
        self._regularise(gradient, seen)
        adam_step(store.blocks, gradient, store.moments, learning_rates=self._rates(), step=step + 1, seen=seen)
        if loss.exposure is not None:
            self._step_exposure(batch, loss.exposure)
        return terms

    def _add_surface(self, gradient: Tensor, batch: Batch, target: Photo, seen: Tensor) -> dict[str, Tensor]:
        """The terms that ask for surfaces; their gradient is added to `gradient`."""
        leaf = self.store.blocks.clone().requires_grad_()
        terms = surface_losses(
            leaf,
            batch.cameras,
            target.rgb,
            seen,
            terms=self.config.surface_terms,
            extent=self._extent,
            progress=self._progress,
            antialiased=self.config.antialiased,
        )
        torch.stack(list(terms.values())).sum().backward()
        assert leaf.grad is not None
        if bool(leaf.grad.isfinite().all()):
            gradient += leaf.grad
        return {name: term.detach() for name, term in terms.items()}

    def after_step(self, step: int) -> None:
        """Noise, density control, and a bound on the scales where aliasing is fought."""
        refined = self.density.refined
        rate = decayed(self.config.rates.position * self._extent, self.config.rates.position_end, self._progress)
        self.density.after_step(
            self.store, step=step, progress=self._progress, position_rate=rate, generator=self._generator
        )
        if self.band_limit is not None:
            self.band_limit.after_step(self.store, step=step, changed=self.density.refined != refined)

    @torch.no_grad()
    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        """Image of one camera, or the pixels of it in which `pixels` lie. No exposure: the mean photo's.

        It is where the camera is, whatever device trains the model.
        """
        image = splat(self.store.blocks, cameras, sh_degree=self.degree, antialiased=self.config.antialiased)
        image = image.to(cameras.cam_from_world.device)
        if pixels is None:
            return image
        x, y = pixels.long().unbind(dim=-1)
        return Render(
            rgb=image.rgb[y, x],
            alpha=image.alpha[y, x],
            depth=None if image.depth is None else image.depth[y, x],
        )

    def surface(self, camera: Cameras) -> Surface:
        """Median depth and normals of one camera's view."""
        seen = splat_surface(self.store.blocks, camera, antialiased=self.config.antialiased)
        return seen.to(camera.cam_from_world.device)

    def make_do(self) -> int:
        """Memory ran out: give back what can be given, and keep to nine tenths of the Gaussians. How many those are."""
        self._frame = None
        self.recorded.forget()
        fits = max(int(_FITS * self.store.count), 1)
        opacity = self.store.plane(10)
        if fits < self.store.count:
            gone = torch.ones(self.store.count, dtype=torch.bool, device=opacity.device)
            gone[opacity.topk(fits).indices] = False
            self.store.remove(gone)
        self.density.lower(fits)
        return fits

    def gaussians(self) -> Gaussians:
        """What was learnt, in the world frame, on the CPU."""
        return unpack(self.store.blocks.cpu(), self.store.count, antialiased=self.config.antialiased)

    def size(self) -> str:
        return f"{self.store.count:,} Gaussians"

    def counts(self) -> dict[str, int]:
        return {"gaussians": self.store.count, "sh_degree": self.degree}

    def state_dict(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, as tensors of their own, on the CPU."""
        store = self.store
        state = {
            "blocks": store.blocks.to("cpu", copy=True),
            "moments.first": store.moments.first.to("cpu", copy=True),
            "moments.second": store.moments.second.to("cpu", copy=True),
            "stats": store.stats.to("cpu", copy=True),
            "count": torch.tensor(store.count),
            "progress": torch.tensor(self._progress, dtype=torch.float64),
            "generator": self._generator.get_state(),
        }
        state |= {f"density.{name}": value for name, value in self.density.state_dict().items()}
        for name, part in self._optional_parts():
            state |= {f"{name}.{key}": value for key, value in part.state_dict().items()}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        moments = Moments(state["moments.first"].clone(), state["moments.second"].clone())
        blocks, stats = (state[name].to(self.device, copy=True) for name in ("blocks", "stats"))
        self.store = GaussianStore(blocks, moments_for(moments, self.device), stats, int(state["count"]))
        self.store.check()
        self.recorded.forget()
        if not 0 <= float(state["progress"]) <= 1:
            raise ValueError("its progress is no share of training")
        self._progress = float(state["progress"])
        self._generator.set_state(state["generator"])
        self.density.load_state_dict(_below("density.", state))
        for name, part in self._optional_parts():
            theirs = {key: value.to(self.device) for key, value in _below(f"{name}.", state).items()}
            part.load_state_dict(theirs)

    def _optional_parts(self) -> list[tuple[str, Exposure | BandLimit]]:
        parts = [("exposure", self.exposure), ("band_limit", self.band_limit)]
        return [(name, part) for name, part in parts if part is not None]

    def _arrive(self, step: int) -> None:
        if not self._paced:
            self._progress = min(step / self._steps, 1.0)

    def _rates(self) -> Float[Tensor, "c"]:
        config = self.config
        return plane_rates(config.rates, sh_degree=config.sh_degree, extent=self._extent, progress=self._progress)

    def _terms(self, l1: Float[Tensor, ""], ssim: Float[Tensor, ""]) -> dict[str, Tensor]:
        weight = self.config.ssim_weight
        return {"l1": (1 - weight) * l1, "ssim": weight * (1 - ssim)}

    def _target(self, batch: Batch) -> Photo:
        transparent = batch.alpha is not None
        return Photo(
            rgb=self._here(batch.rgb.permute(2, 0, 1).contiguous()),
            background=self._here(self._background()) if transparent else None,
            exposure=None if self.exposure is None else self.exposure.of(batch.indices[0]),
            alpha=None if batch.alpha is None else self._here(batch.alpha),
            mask=None if batch.mask is None else self._here(batch.mask),
        )

    def _here(self, tensor: Tensor) -> Tensor:
        return tensor.to(self.device, non_blocking=True)

    def _background(self) -> Float[Tensor, "3"]:
        match self.config.background:
            case "random":
                return torch.rand(3, generator=self._generator)
            case "white":
                return torch.ones(3)
            case "black":
                return torch.zeros(3)

    def _step_exposure(self, batch: Batch, gradient: Float[Tensor, "3 4"]) -> None:
        assert self.exposure is not None
        rates = self.config.rates
        rate = decayed(rates.exposure, rates.end, self._progress)
        # On a GPU nobody has looked yet whether the loss is a number.
        self.exposure.step(batch.indices[0], gradient.nan_to_num(0.0, 0.0, 0.0), learning_rate=rate)

    def _regularise(self, gradient: Float[Tensor, "b c 16"], seen: Tensor) -> None:
        """Add what the fused step adds: the pull on opacity and scales of Gaussians that were seen."""
        opacity_pull, scale_pull = self.density.pulls(self.store.count)
        used = seen.reshape(len(gradient), 16).to(gradient.dtype)
        opacity = torch.sigmoid(self.store.blocks[:, 10])
        gradient[:, 10] += opacity_pull * used * opacity * (1 - opacity)
        gradient[:, 3:6] += scale_pull * used[:, None] * self.store.blocks[:, 3:6].exp()


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
