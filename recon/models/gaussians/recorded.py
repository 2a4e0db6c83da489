"""Training steps as one launch of the GPU, where a step is like the one before."""

from __future__ import annotations

import warnings

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.adam import Moments
from recon.ops.device import gpu_kernels
from recon.ops.photometric import PhotometricGradient
from recon.ops.splat import Frame
from recon.ops.step_graph import Photo, StepGraph
from recon.types import Cameras

__all__ = ["RecordedStep"]


class RecordedStep:
    """The `StepGraph` of the latest step, if there is one."""

    def __init__(self, *, antialiased: bool, ssim_weight: float) -> None:
        self.graph: StepGraph | None = None
        self.why_not: str | None = None
        """Why steps are given to the GPU kernel by kernel, once that was found."""
        self._antialiased, self._ssim_weight = antialiased, ssim_weight
        self._photo_size: torch.Size | None = None

    @property
    def frame(self) -> Frame | None:
        """What the recorded step draws into."""
        return None if self.graph is None else self.graph.frame

    def forget(self) -> None:
        """The buffers it was recorded with are gone."""
        self.graph = None

    def replay(
        self,
        photo: Photo,
        camera: Cameras,
        *,
        blocks: Float[Tensor, "b c 16"],
        moments: Moments,
        stats: Float[Tensor, "b 3 16"] | None,
        sh_degree: int,
        learning_rates: Float[Tensor, "c"],
        step: int,
        pulls: tuple[float, float],
    ) -> PhotometricGradient | None:
        """The step, where it has the sizes and buffers of the recorded one; otherwise nothing."""
        graph = self.graph
        if graph is None or not graph.serves(photo, blocks=blocks, moments=moments, stats=stats, sh_degree=sh_degree):
            self.graph = None
            return None
        return graph.step(photo, camera, blocks=blocks, learning_rates=learning_rates, step=step, pulls=pulls)

    def record(
        self,
        frame: Frame,
        photo: Photo,
        camera: Cameras,
        *,
        blocks: Float[Tensor, "b c 16"],
        moments: Moments,
        stats: Float[Tensor, "b 3 16"] | None,
        sh_degree: int,
    ) -> None:
        """For the next step, where kernels are CUDA's and photos keep their size.

        What else speaks against it is said once, and steps go on kernel by kernel.
        """
        kept, self._photo_size = self._photo_size == photo.rgb.shape, photo.rgb.shape
        if gpu_kernels(blocks) is None or not kept or self.why_not is not None:
            return
        try:
            self.graph = StepGraph(
                *(frame, photo, camera),
                blocks=blocks,
                moments=moments,
                stats=stats,
                sh_degree=sh_degree,
                antialiased=self._antialiased,
                ssim_weight=self._ssim_weight,
            )
        except RuntimeError as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            self.why_not = str(error)
            warnings.warn(f"Steps are not recorded as a CUDA graph: {error}", stacklevel=2)
