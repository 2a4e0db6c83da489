"""What models answer, and how good that is."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Gaussians", "Metrics", "Render", "StepReport", "Surface", "ViewScore"]


@dataclass(frozen=True)
class Gaussians:
    """3D Gaussians as trainers keep them and the 3DGS PLY stores them: before the activations."""

    means: Float[Tensor, "g 3"]
    quats: Float[Tensor, "g 4"]
    """wxyz, not necessarily unit."""
    log_scales: Float[Tensor, "g 3"]
    opacity_logits: Float[Tensor, "g"]
    sh: Float[Tensor, "g k 3"]
    """k = (degree + 1)^2; colour = 0.5 + sum of coefficient times basis, clamped at 0."""
    antialiased: bool = False
    """Trained with the 2D Mip filter: renderers must dilate by it and compensate the opacity."""

    def __len__(self) -> int:
        return len(self.means)

    @property
    def sh_degree(self) -> int:
        return int(self.sh.shape[1] ** 0.5) - 1


@dataclass(frozen=True)
class Render:
    """What a model answers."""

    rgb: Float[Tensor, "*shape 3"]
    alpha: Float[Tensor, "*shape"]
    depth: Float[Tensor, "*shape"] | None = None
    extras: dict[str, Tensor] = field(default_factory=dict)

    def over(self, background: Float[Tensor, "*#shape 3"]) -> Float[Tensor, "*shape 3"]:
        """The colour in front of a background."""
        return self.rgb + (1 - self.alpha)[..., None] * background

    def to(self, device: torch.device | str) -> Render:
        extras = {name: value.to(device) for name, value in self.extras.items()}
        depth = None if self.depth is None else self.depth.to(device)
        return Render(self.rgb.to(device), self.alpha.to(device), depth, extras)


@dataclass(frozen=True)
class Surface:
    """The surface that one camera sees: what meshes and depth maps are made of."""

    depth: Float[Tensor, "h w"]
    """Along the camera's z axis to where half of the light is taken; 0 where more than half gets through."""
    normal: Float[Tensor, "h w 3"]
    """Unit vectors towards the camera, in its axes; 0 where there is no surface."""

    def to(self, device: torch.device | str) -> Surface:
        return Surface(self.depth.to(device), self.normal.to(device))


@dataclass(frozen=True)
class StepReport:
    """What a step tells the world. Tensors stay where they are until somebody reads them."""

    step: int
    losses: dict[str, Tensor]
    counts: dict[str, int] = field(default_factory=dict)
    size: str = ""
    """What the model has become, in words."""


@dataclass(frozen=True)
class ViewScore:
    name: str
    psnr: float
    ssim: float


@dataclass(frozen=True)
class Metrics:
    """How good renders of held-out photos are: means over photos, and each photo."""

    psnr: float
    ssim: float
    views: tuple[ViewScore, ...]
    seconds_per_frame: float
    lpips: float | None = None
