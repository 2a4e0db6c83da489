"""Options of the hash-grid radiance field. Every schedule is a share of training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from recon.errors import InputError
from recon.models.first_points import FirstPoints
from recon.models.rays.bounds import Extent
from recon.models.rays.target import Background
from recon.models.sizes import check_sizes

__all__ = ["Detail", "LossWeights", "NerfConfig", "NerfRates"]


@dataclass(frozen=True)
class Detail:
    """Sizes of the field."""

    levels: int = 10
    """Grids of growing resolution. Each costs the same time."""
    entries: int = 18
    """Logarithm to base 2 of the most entries of one grid. Each more doubles the memory: 18 take 60 MB."""
    finest: int = 1024
    """Cells along the scene in the finest grid."""
    width: int = 64
    """Of the hidden layers of both networks: a multiple of 16, 128 at most."""
    occupancy: int = 64
    """Cells along the scene in the grid that says where it is empty."""
    steps_across: int = 256
    """Samples of a ray that crosses the whole scene, if none of it were empty."""


@dataclass(frozen=True)
class LossWeights:
    """Terms beside the difference in colour."""

    kind: Literal["huber", "l2"] = "huber"
    """How differences in colour count: huber forgives large ones."""
    distortion: float = 1e-3
    """Draws the samples that make up a pixel together, against haze and floaters."""
    entropy: float = 1e-4
    """Draws rays to see either something or nothing."""
    depth: float = 0.1
    """Draws surfaces to what --depth tells, or else to the points that photos agree on, until half of training."""


@dataclass(frozen=True)
class NerfRates:
    """Learning rates of Adam. They rise at once and fall along half a cosine."""

    field: float = 1e-2
    """Of grids and networks."""
    exposure: float = 1e-3
    """Of the exposure of each photo."""
    poses: float = 3e-4
    """Of each photo's camera, with --refine-poses: radians and world units."""
    end: float = 0.02
    """What is left of them at the end, as a share of the start."""


@dataclass(frozen=True)
class NerfConfig:
    """A radiance field in hash grids: true reflections and thin things, pictures drawn by recon and not the browser."""

    samples: int = 32_768
    """Samples along rays that one step learns from. There are as many rays as that is enough for."""
    scene: Extent = "auto"
    """bounded: a thing cut out of its background. unbounded: everything around the cameras. auto: as the photos are."""
    near: float = 0.05
    """Nothing is nearer to a camera; 1 is about the distance of the cameras from what they look at."""
    antialiased: bool = True
    """Let each ray be as wide as its pixel: small and distant pictures stay smooth."""
    exposure: bool = False
    """Learn a brightness per photo: for photos of differing exposure. Where it is even it costs quality."""
    refine_poses: bool = False
    """Move the photos' cameras a little while learning: for poses that are not exact. A tenth slower."""
    background: Background = "random"
    """What is put behind the scene while training."""
    shine_by: float = 0.4
    """Share of training after which colour may depend fully on the direction; before, geometry has to explain more."""
    precision: Literal["fp32", "bf16"] = "bf16"
    """Of products in the networks. bf16 is quicker where the processor has AMX; elsewhere it is computed in fp32."""
    detail: Detail = field(default_factory=Detail)
    """Sizes of the field."""
    losses: LossWeights = field(default_factory=LossWeights)
    """What training minimises."""
    rates: NerfRates = field(default_factory=NerfRates)
    """Learning rates."""

    @property
    def seconds_per_megapixel(self) -> float:
        """About what drawing takes on two idle cores: a budget leaves room for it."""
        return 8.0

    @property
    def why_no_depth(self) -> InputError | None:
        """Why it learns nothing from --depth; None where it does."""
        if self.losses.depth > 0:
            return None
        return InputError("--losses.depth 0 makes nothing of --depth.", advice="Leave out one of the two.")

    @property
    def first_points(self) -> FirstPoints:
        """None: a field is everywhere."""
        return FirstPoints()

    def __post_init__(self) -> None:
        detail = self.detail
        check_sizes(
            [
                ("--samples", self.samples, 256, 1 << 22),
                ("--detail.levels", detail.levels, 1, 32),
                ("--detail.entries", detail.entries, 4, 24),
                ("--detail.finest", detail.finest, 16, 1 << 16),
                ("--detail.occupancy", detail.occupancy, 8, 256),
                ("--detail.steps-across", detail.steps_across, 8, 1 << 13),
            ]
        )
        if not 0 <= self.shine_by <= 1:
            raise InputError(f"--shine-by is {self.shine_by:g}.", advice="Give a share between 0 and 1.")
        if detail.width % 16 != 0 or not 16 <= detail.width <= 128:
            raise InputError(f"--detail.width is {detail.width}.", advice="Give 16, 32, 48, ... 128.")
        if not self.near > 0:
            raise InputError(f"--near is {self.near:g}.", advice="Give a distance above 0, such as 0.05.")
        for option, group in (("losses", self.losses), ("rates", self.rates)):
            negative = [name for name, value in vars(group).items() if isinstance(value, float) and not value >= 0]
            if negative:
                raise InputError(f"--{option}.{negative[0]} is negative.", advice="Give 0 or more.")
