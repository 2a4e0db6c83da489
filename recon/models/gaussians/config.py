"""Options of the Gaussian model. Every schedule is a fraction of training, so shorter runs need no other settings."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from recon.errors import InputError
from recon.models.first_points import FirstPoints
from recon.models.sizes import check_sizes

__all__ = ["AdaptiveDensity", "DepthTerms", "GaussianConfig", "Mcmc", "Rates", "SurfaceTerms"]

_MOST_GAUSSIANS = 100_000_000
"""They take 70 GB."""


@dataclass(frozen=True)
class Rates:
    """Learning rates of Adam, for parameters before their activations."""

    position: float = 1.5e-3
    """Of the means at the start, as a share of the scene's extent."""
    position_end: float = 0.02
    """What is left of the position rate at the end, as a share of the start; exponential in between."""
    scale: float = 2e-2
    """Of the logarithm of the scales."""
    rotation: float = 7e-3
    """Of the quaternions."""
    opacity: float = 8e-2
    """Of the opacity logits."""
    colour: float = 1.5e-2
    """Of the base colour."""
    detail: float = 0.1
    """Of the view-dependent colour, as a share of `colour`."""
    exposure: float = 1e-3
    """Of the exposure of each photo."""
    end: float = 0.3
    """What is left of all other rates at the end, as a share of the start; exponential in between."""


@dataclass(frozen=True)
class Mcmc:
    """Grow to a budget, move dead Gaussians to where they help, explore by noise. Source: Kheradmand et al. 2024."""

    refinements: int = 80
    """How often, over the whole training, Gaussians are moved and added. 0: the first ones stay."""
    start: float = 0.03
    """Share of training before the first refinement."""
    full: float = 0.5
    """Share of training after which the budget of Gaussians is reached."""
    stop: float = 0.85
    """Share of training after which nothing is moved any more."""
    growth: float = 0.3
    """Most Gaussians added by one refinement, as a share of those there are."""
    noise: float = 5e5
    """Strength of the exploration noise, in units of the position rate."""
    dead: float = 0.005
    """Opacity under which a Gaussian is moved elsewhere."""
    opacity_pressure: float = 0.001
    """Weight of the mean opacity in the loss: what is not needed fades. More of it makes fainter, slower splats."""
    scale_pressure: float = 0.01
    """Weight of the mean scale, as a share of the scene's extent, in the loss."""

    def __post_init__(self) -> None:
        _require_sensible(self, shares=("start", "full", "stop", "dead"))


@dataclass(frozen=True)
class AdaptiveDensity:
    """Clone and split where photos ask for detail, prune what is transparent. Source: Kerbl et al. 2023, AbsGS 2024."""

    refinements: int = 60
    """How often, over the whole training, Gaussians are added and removed. 0: the first ones stay."""
    start: float = 0.03
    """Share of training before the first refinement."""
    stop: float = 0.6
    """Share of training after the last refinement."""
    gradient: float = 8e-4
    """Mean screen gradient (absolute, per half of the longest image side) from which a Gaussian is cloned or split."""
    split_above: float = 0.01
    """Gaussians larger than this share of the scene's extent are split, smaller ones are cloned."""
    prune_below: float = 0.005
    """Opacity under which a Gaussian is removed."""
    prune_above: float = 0.2
    """Scale over which a Gaussian is removed once opacities were reset, as a share of the scene's extent."""
    prune_radius: float = 0.3
    """Radius on screen over which a Gaussian is removed once opacities were reset, as a share of the longest side."""
    resets: int = 2
    """How often all opacities are pushed down to twice `prune_below` while density changes, so that floaters die."""

    def __post_init__(self) -> None:
        _require_sensible(self, shares=("start", "stop", "prune_below"))


@dataclass(frozen=True)
class SurfaceTerms:
    """How strongly surfaces are asked for."""

    flatness: float = 30.0
    """Weight of the mean least scale of the Gaussians seen, as a share of the scene's extent."""
    consistency: float = 0.05
    """Weight of one minus the cosine between rendered normals and those of the rendered depth."""
    start: float = 0.3
    """Share of training after which depth and normals have to agree; before, they would agree on nonsense."""


@dataclass(frozen=True)
class DepthTerms:
    """How strongly the depth that --depth tells is asked for. Both weights sink evenly to nothing."""

    depth: float = 0.1
    """Weight of the mean relative difference of depths, at the start."""
    normal: float = 0.01
    """Weight of one minus the cosine between the normals of both depths, at the start."""
    until: float = 0.5
    """Share of training after which photos alone decide."""
    common: float = 0.5
    """How much of what all of a photo's pixels differ by is forgiven, 0 to 1. Source: Eigen et al. 2014, equation 4."""
    points: float = 0.4
    """Gaussians put onto known depths before the first step, as a share of --max-gaussians."""
    backdrop: float = 0.03
    """Gaussians put onto a sphere around all of that, likewise: what no photo shows is then no hole."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            most = math.inf if name in ("depth", "normal") else 1.0
            if not 0 <= value <= most:
                raise InputError(f"--depth-terms.{name} is {value:g}.", advice="Give 0 or more; shares at most 1.")


@dataclass(frozen=True)
class GaussianConfig:
    """3D Gaussian splatting."""

    max_gaussians: int = 100_000
    """Most Gaussians there will be. 100k take 70 MB and 10 to 25 ms a step at 480x270 on two cores."""
    density: Mcmc | AdaptiveDensity = field(default_factory=Mcmc)
    """How Gaussians are added and removed."""
    sh_degree: int = 3
    """Bands of view-dependent colour, 0 (matt) to 3 (glossy)."""
    bands_by: float = 0.5
    """Share of training after which all bands are on; they come one after another."""
    antialiased: bool = False
    """Keep brightness when zoomed out, and no needles when zoomed in (Mip-Splatting). Viewers must support it."""
    ssim_weight: float = 0.2
    """Share of structural similarity in the loss; the rest is the mean absolute error."""
    exposure: bool = False
    """Learn a colour transform per photo: for photos of differing brightness. Where they are even it costs quality."""
    surface: bool = False
    """Learn flat Gaussians that lie on surfaces: better meshes, slightly worse pictures, steps of twice the time."""
    surface_terms: SurfaceTerms = field(default_factory=SurfaceTerms)
    """What --surface asks for."""
    depth_terms: DepthTerms = field(default_factory=DepthTerms)
    """What --depth asks for."""
    background: Literal["random", "black", "white"] = "random"
    """What is put behind photos that have transparency, while training."""
    rates: Rates = field(default_factory=Rates)
    """Learning rates."""
    initial_opacity: float = 0.3
    """Opacity of the first Gaussians."""
    initial_scale: float = 0.7
    """Scale of the first Gaussians, as a share of the distance to their neighbours."""
    random_points: int = 10_000
    """Gaussians put at random places when the scene has hardly any points."""

    @property
    def seconds_per_megapixel(self) -> float:
        """About what drawing takes on two idle cores: a budget leaves room for it."""
        return 0.8

    @property
    def why_no_depth(self) -> InputError | None:
        """Why it learns nothing from --depth; None where it does."""
        if isinstance(self.density, Mcmc):
            return None
        return InputError("--depth needs the mcmc density.", advice="Leave out adaptive-density.")

    @property
    def first_points(self) -> FirstPoints:
        """What it begins with, besides the sparse points, where depth is known."""
        terms = self.depth_terms
        return FirstPoints(round(terms.points * self.max_gaussians), round(terms.backdrop * self.max_gaussians))

    def __post_init__(self) -> None:
        check_sizes(
            [
                ("--max-gaussians", self.max_gaussians, 1, _MOST_GAUSSIANS),
                ("--random-points", self.random_points, 1, _MOST_GAUSSIANS),
            ]
        )
        if self.surface and not isinstance(self.density, Mcmc):
            raise InputError("--surface needs the mcmc density.", advice="Leave out adaptive-density.")
        if not 0 <= self.sh_degree <= 3:
            raise InputError(f"--sh-degree is {self.sh_degree}.", advice="Give 0 (matt) to 3 (glossy).")
        shares = [
            ("--initial-opacity", self.initial_opacity),
            ("--bands-by", self.bands_by),
            ("--ssim-weight", self.ssim_weight),
        ]
        for option, value in shares:
            if not 0 <= value <= 1 or (option == "--initial-opacity" and value in (0, 1)):
                raise InputError(f"{option} is {value}.", advice="Give a share between 0 and 1.")
        if not self.initial_scale > 0:
            raise InputError(f"--initial-scale is {self.initial_scale}.", advice="Give a positive factor.")
        for option, group in (("rates", self.rates), ("surface-terms", self.surface_terms)):
            negative = [name for name, value in vars(group).items() if not value >= 0]
            if negative:
                raise InputError(f"--{option}.{negative[0].replace('_', '-')} is negative.", advice="Give 0 or more.")


def _require_sensible(density: Mcmc | AdaptiveDensity, *, shares: tuple[str, ...]) -> None:
    """Refuse what is negative or not a number, and `shares` above 1."""
    for name, value in vars(density).items():
        most = 1.0 if name in shares else math.inf
        if not (0 <= value <= most and value < math.inf):
            advice = "Give a share between 0 and 1." if name in shares else "Give 0 or more."
            raise InputError(f"--{name.replace('_', '-')} is {value:g}.", advice=advice)
