"""A training step of Gaussians, recorded once and given to the GPU as a whole.

Some twenty launches take the host about as long as a small scene takes the GPU. What they do depends on sizes and
buffers, which stay for many steps; what changes is put where the kernels find it: camera, rates and pulls among the
inputs of the frame, the photo in buffers of its size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.ops.adam import Moments
from recon.ops.device import gpu_kernels, stream_of
from recon.ops.photometric import PhotometricGradient
from recon.ops.splat import Frame, view_of
from recon.ops.splat_gpu import GpuFrame
from recon.types import Cameras

__all__ = ["Photo", "StepGraph"]


@dataclass(frozen=True)
class Photo:
    """What a step compares its view with, planar."""

    rgb: UInt8[Tensor, "3 h w"]
    background: Float[Tensor, "3"] | None
    exposure: Float[Tensor, "3 4"] | None
    alpha: UInt8[Tensor, "h w"] | None
    mask: UInt8[Tensor, "h w"] | None

    @property
    def parts(self) -> tuple[Tensor | None, ...]:
        """As the loss takes them."""
        return self.rgb, self.background, self.exposure, self.alpha, self.mask

    def copy(self) -> Photo:
        _, *others = (None if part is None else part.clone() for part in self.parts)
        return Photo(self.rgb.clone(), *others)


class StepGraph:
    """Forward, loss, backward and Adam of a view like the one of `frame`, which must have been a whole step before.

    It keeps no hold of Gaussians and moments: `serves` finds out whether they are still where they were.
    """

    def __init__(
        self,
        frame: Frame,
        photo: Photo,
        camera: Cameras,
        *,
        blocks: Float[Tensor, "b c 16"],
        moments: Moments,
        stats: Float[Tensor, "b 3 16"] | None,
        sh_degree: int,
        antialiased: bool,
        ssim_weight: float,
    ) -> None:
        assert isinstance(frame.scratch, GpuFrame)
        self.frame, self.replays = frame, 0
        self._scratch = frame.scratch
        self._bands, self._antialiased = sh_degree, antialiased
        self._photo = photo.copy()
        self._loss, losses, workspace = _outputs(frame, self._photo)
        self._key = self._key_of(photo, blocks, moments, stats, sh_degree)
        arguments, mine, loss = self._arguments(blocks, camera), self._photo, self._loss
        kernels = gpu_kernels(blocks)
        assert kernels is not None

        def launch() -> None:
            """All kernels, on the stream that torch works on now; they find the view among the inputs."""
            splat = self._scratch.view(arguments)
            splat.project()
            splat.picture()
            kernels.cuda_photometric(
                *(frame.rgb, frame.alpha, *mine.parts, ssim_weight),
                *(loss.rgb, loss.alpha, loss.exposure, losses, workspace, stream_of(blocks)),
            )
            splat.backward_adam(
                *(loss.rgb, loss.alpha, blocks.detach(), moments.first, moments.second, stats, loss.loss.reshape(1))
            )

        self._replay = _recorded(launch, blocks.device)

    def serves(
        self,
        photo: Photo,
        *,
        blocks: Float[Tensor, "b c 16"],
        moments: Moments,
        stats: Float[Tensor, "b 3 16"] | None,
        sh_degree: int,
    ) -> bool:
        """Whether a step has the sizes and the buffers of the recorded one."""
        self._scratch.grow_ahead(len(blocks) * 16)
        return self._key == self._key_of(photo, blocks, moments, stats, sh_degree)

    def step(
        self,
        photo: Photo,
        camera: Cameras,
        *,
        blocks: Float[Tensor, "b c 16"],
        learning_rates: Float[Tensor, "c"],
        step: int,
        pulls: tuple[float, float],
    ) -> PhotometricGradient:
        """A step that `serves` said yes to. What it returns is overwritten by the next one."""
        for mine, given in zip(self._photo.parts, photo.parts, strict=True):
            if mine is not None and given is not None:
                mine.copy_(given, non_blocking=True)
        self._scratch.look_from(self._arguments(blocks, camera))
        self._scratch.inputs(learning_rates, step, pulls)
        self._replay()
        self._scratch.note_needs()
        self.replays += 1
        return self._loss

    def _arguments(self, blocks: Tensor, camera: Cameras) -> tuple[Any, ...]:
        view = view_of(camera, sh_degree=self._bands, antialiased=self._antialiased)
        return blocks.detach(), *view, self.frame.rgb, self.frame.alpha, None, None

    def _key_of(
        self, photo: Photo, blocks: Tensor, moments: Moments, stats: Tensor | None, sh_degree: int
    ) -> tuple[Any, ...]:
        buffers = (blocks, moments.first, moments.second, stats)
        places = tuple(None if buffer is None else (buffer.data_ptr(), buffer.shape) for buffer in buffers)
        sizes = tuple(None if part is None else part.shape for part in photo.parts)
        return places, sizes, sh_degree, self._scratch.limits


def _outputs(frame: Frame, photo: Photo) -> tuple[PhotometricGradient, Tensor, Tensor]:
    """Buffers of the loss, the three numbers of it together, and a workspace."""
    kernels = gpu_kernels(frame.rgb)
    assert kernels is not None
    height, width = frame.alpha.shape
    losses = frame.rgb.new_empty(3)
    workspace = torch.empty(kernels.cuda_photometric_bytes(width, height), dtype=torch.uint8, device=frame.rgb.device)
    exposure = None if photo.exposure is None else torch.empty_like(photo.exposure)
    grads = {"rgb": torch.empty_like(frame.rgb), "alpha": torch.empty_like(frame.alpha), "exposure": exposure}
    return PhotometricGradient(*losses.unbind(), **grads), losses, workspace


def _recorded(work: Callable[[], None], device: torch.device) -> Callable[[], None]:
    """`work` as one launch. Where kernels are emulated there is no such thing, and it is done again."""
    if device.type != "cuda":
        return work
    graph, aside = torch.cuda.CUDAGraph(), torch.cuda.Stream(device)
    aside.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(aside):
        graph.capture_begin(capture_error_mode="thread_local")  # others may use the GPU meanwhile
        try:
            work()
        finally:
            graph.capture_end()
    torch.cuda.current_stream(device).wait_stream(aside)
    return graph.replay
