"""Options of the classic radiance field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recon.errors import InputError
from recon.models.first_points import FirstPoints
from recon.models.rays.bounds import Extent
from recon.models.rays.target import Background
from recon.models.sizes import check_sizes

__all__ = ["ClassicNerfConfig", "ClassicRates"]


@dataclass(frozen=True)
class ClassicRates:
    """Learning rate of Adam. It rises at once and falls along half a cosine."""

    networks: float = 2e-3
    """At the start. The paper's networks of 8 layers of 256 learn with 5e-4."""
    end: float = 0.05
    """What is left at the end, as a share of the start."""


@dataclass(frozen=True)
class ClassicNerfConfig:
    """The radiance field of 2020, one network for all of the scene: to learn from and to compare with. Slow."""

    rays: int = 512
    """Rays in one step. The paper has 4096."""
    coarse: int = 32
    """Samples of a ray spread evenly, which find where something is. The paper has 64."""
    fine: int = 32
    """Samples of a ray put where the coarse ones found something. The paper has 128."""
    layers: int = 4
    """Hidden layers of each of the two networks. The paper has 8."""
    width: int = 128
    """Of the hidden layers. The paper has 256; on two cores a step takes half a second then."""
    position_bands: int = 10
    """Octaves of sines and cosines that a position is told in: more are sharper and noisier."""
    direction_bands: int = 4
    """The same for directions."""
    scene: Extent = "auto"
    """bounded: a thing cut out of its background. unbounded: everything around the cameras. auto: as the photos are."""
    near: float = 0.05
    """Nothing is nearer to a camera; 1 is about the distance of the cameras from what they look at."""
    loss: Literal["huber", "l2"] = "l2"
    """How differences in colour count."""
    background: Background = "random"
    """What is put behind the scene while training."""
    rates: ClassicRates = field(default_factory=ClassicRates)
    """Learning rate."""

    @property
    def seconds_per_megapixel(self) -> float:
        """About what drawing takes on two idle cores: a budget leaves room for it."""
        flops = 4.0 * (self.coarse + self.fine) * self.layers * self.width**2
        return 1e6 * flops / 1e11

    @property
    def why_no_depth(self) -> InputError | None:
        """Why it learns nothing from --depth."""
        return InputError("nerf-classic learns nothing from --depth.", advice="Leave it out, or train nerf.")

    @property
    def first_points(self) -> FirstPoints:
        """None: a field is everywhere."""
        return FirstPoints()

    def __post_init__(self) -> None:
        check_sizes(
            [
                ("--rays", self.rays, 1, 1 << 17),
                ("--coarse", self.coarse, 2, 1024),
                ("--fine", self.fine, 0, 1024),
                ("--layers", self.layers, 2, 32),
                ("--width", self.width, 8, 1024),
                ("--position-bands", self.position_bands, 1, 20),
                ("--direction-bands", self.direction_bands, 1, 20),
            ]
        )
        if not self.near > 0:
            raise InputError(f"--near is {self.near:g}.", advice="Give a distance above 0, such as 0.05.")
        if not (self.rates.networks >= 0 and self.rates.end >= 0):
            raise InputError("A learning rate is negative.", advice="Give 0 or more.")
