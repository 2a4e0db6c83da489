"""What models and optimizers can do, as the rest of recon asks for it."""

from __future__ import annotations

from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from recon.types.cameras import Cameras
from recon.types.results import Gaussians, Render, Surface
from recon.types.scene import Batch

__all__ = ["HasDensity", "HasGaussians", "Model", "Optimizer", "Renderer", "SurfaceRenderer", "TakesPixels"]


@runtime_checkable
class Renderer(Protocol):
    """Anything that can show itself: viewer, evaluation, mesh and video export ask for no more."""

    def render(self, cameras: Cameras, pixels: Tensor | None = None) -> Render:
        """Image of one camera (no batch dimension), or of `pixels [r 2]` of it."""
        ...


@runtime_checkable
class SurfaceRenderer(Renderer, Protocol):
    """A renderer that knows its surfaces better than the mean depth of `render` says."""

    def surface(self, camera: Cameras) -> Surface:
        """What one camera (no batch dimension) sees first."""
        ...


@runtime_checkable
class Optimizer(Protocol):
    """The part of `torch.optim.Optimizer` that the trainer needs."""

    def zero_grad(self, set_to_none: bool = True) -> None: ...
    def step(self) -> object: ...
    def state_dict(self) -> dict: ...
    def load_state_dict(self, state_dict: dict) -> None: ...


@runtime_checkable
class Model(Renderer, Protocol):
    """What the trainer needs on top."""

    sampling: Literal["images", "pixels"]

    def train_step(self, batch: Batch, step: int) -> dict[str, Tensor]:
        """Forward, loss, backward and parameter update for one batch; the weighted loss terms."""
        ...

    def after_step(self, step: int) -> None:
        """Density control, schedules: whatever happens between two steps."""
        ...

    def size(self) -> str:
        """How large it has become, a number and a word: "100,000 Gaussians"."""
        ...

    def counts(self) -> dict[str, int]: ...
    def state_dict(self) -> dict[str, Tensor]: ...
    def load_state_dict(self, state: dict[str, Tensor]) -> None: ...


@runtime_checkable
class TakesPixels(Protocol):
    """A model with `sampling = "pixels"`."""

    @property
    def pixels_per_step(self) -> int:
        """Pixels that its next batch should hold."""
        ...


@runtime_checkable
class HasGaussians(Protocol):
    """What can be shown and kept as splats."""

    def gaussians(self) -> Gaussians: ...


@runtime_checkable
class HasDensity(Protocol):
    """What is a cloud of matter: a surface is where its density passes a threshold."""

    def density(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
        """Opacity gathered per world unit at these places of the world."""
        ...

    @property
    def surface_density(self) -> float:
        """A density that separates inside from outside well."""
        ...

    @property
    def bounds(self) -> Float[Tensor, "2 3"]:
        """Lowest and highest corner of the box of the world that is worth looking at for surfaces."""
        ...
