"""What every export starts from and what it reports, whatever it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.io.frames import FrameName, axes_of, level
from recon.io.keyframes import Keyframe
from recon.io.splats.labels import Labels
from recon.mesh.config import MeshConfig
from recon.types import Renderer, Scene

__all__ = ["Progress", "Work", "Written"]

Progress = Callable[[float, str], None]
"""Called with the share done and what is being done."""


@dataclass(frozen=True)
class Work:
    """A trained model, the scene it was trained in, and what the person asked for."""

    model: Renderer
    scene: Scene
    """With its photos where they can still be read, gray ones otherwise."""
    background: Float[Tensor, "3"] = field(default_factory=lambda: torch.zeros(3))
    has_photos: bool = False
    """All photos of the scene can be read."""
    frame: FrameName | None = None
    """How the axes of what is written shall lie; None for those of the input."""
    max_bytes: int | None = None
    """Of each file, where its kind can be made smaller."""
    name: str = ""
    """Of the scene, for people."""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """How meshes are made."""
    labels: Labels | None = None
    """Of the model's Gaussians, where somebody gave some of them names."""
    keyframes: tuple[Keyframe, ...] = ()
    """What films pass through; without any, they go around."""

    def output_from_world(self, frame: FrameName | None) -> Float[np.ndarray, "4 4"]:
        """The frame that files are written in: the input's, levelled and turned where one is asked for by name.

        Translation, uniform scale, and a turn that mirrors where `frame` is left-handed.
        """
        input_from_world = self.scene.input_from_world.double().numpy()
        if frame is None:
            return input_from_world
        turn = np.eye(4)
        turn[:3, :3] = axes_of(frame) @ level(self.scene.up.double().numpy())
        return turn @ input_from_world


@dataclass(frozen=True)
class Written:
    """What came out, for the person and for scripts."""

    says: str
    """Half a line for people, after the file's name."""
    facts: dict[str, Any]
    """For `--json` and the run: `frame` at least; the caller adds the file's name and size."""
