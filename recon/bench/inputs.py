"""What is measured: seeded made-up Gaussians as views of them are at different times of training, and awkward ones.

Everything is made on the CPU from a seed, so that two machines measure the same. Sizes are standard deviations in
pixels of the image; the camera stands at the origin and looks along +z.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.blocks import morton_order
from recon.types import Cameras, Gaussians

__all__ = ["AWKWARD", "REGIMES", "Input", "Regime", "awkward", "made_up", "size_name"]

Regime = Literal["small", "trained", "early"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
AWKWARD = ("screen-filling", "needles", "one tile", "behind the camera", "invisible", "none", "odd size", "one pixel")


@dataclass(frozen=True)
class Input:
    """Gaussians and who looks at them."""

    name: str
    gaussians: Gaussians
    cameras: Cameras
    """With a batch dimension; made-up scenes have one camera."""

    @property
    def pixels(self) -> int:
        """Of one view, on average."""
        return int((self.cameras.width * self.cameras.height).float().mean())


def made_up(regime: Regime, count: int, width: int, height: int, *, seed: int = 0, degree: int = 3) -> Input:
    """`count` Gaussians that fill the view.

    small: a median of 1 pixel. trained: 1.5 pixels, half of them nearly opaque, half hardly visible. early: as after
    initialisation, much larger than the gaps between them, opacity 0.1. Almost all are on screen, which a real view's
    are not: the hard case.
    """
    r = torch.Generator().manual_seed(seed)
    pixels = {"small": 1.0, "trained": 1.5, "early": 2.5 * (width * height / max(count, 1)) ** 0.5}[regime]
    spread = 0.6 * torch.randn(count, 1, generator=r) + 0.4 * torch.randn(count, 3, generator=r)
    depth, means = _fill(count, width, height, r)
    if regime == "early":
        logits, spread = torch.full((count,), -2.2), 0.3 * spread
    elif regime == "trained":
        opaque = torch.rand(count, generator=r) < 0.5
        logits = torch.where(opaque, 3.0, -2.5) + 0.7 * torch.randn(count, generator=r)
    else:
        logits = 2 * torch.randn(count, generator=r) - 0.3
    gaussians = Gaussians(
        means=means,
        quats=torch.randn(count, 4, generator=r),
        log_scales=(pixels * depth / _focal(width)).log()[:, None] + spread,
        opacity_logits=logits,
        sh=0.3 * torch.randn(count, (degree + 1) ** 2, 3, generator=r),
    )
    name = f"{regime} {count_name(count)} {size_name(width, height)}"
    return Input(name, _in_z_order(gaussians), _camera(width, height))


def awkward(kind: str, count: int, width: int, height: int, *, seed: int = 0) -> Input:
    """What breaks rasterisers or their speed; `kind` is one of `AWKWARD`."""
    base = made_up("trained", 0 if kind == "none" else count, width, height, seed=seed)
    g, cameras = base.gaussians, base.cameras
    pixel = g.means[:, 2:] / _focal(width)
    match kind:
        case "screen-filling":
            spread = g.log_scales - g.log_scales.mean(dim=1, keepdim=True)  # round ones have no gradient of rotation
            g = replace(g, log_scales=(width * pixel).log() + spread, opacity_logits=torch.full((len(g),), -4.0))
        case "needles":
            ratio = torch.tensor([1.0, 1e-3, 1e-3]).log()
            g = replace(g, log_scales=(0.2 * width * pixel).log() + ratio)
        case "one tile":
            middle = torch.tensor([width, height]) / 2
            aside = (middle / 16).floor() * 16 + 8 - middle  # from the image's middle to that of its tile
            in_pixels = g.means[:, :2] / pixel * 12 / torch.tensor([width, height]) + aside
            inside = torch.cat([in_pixels * pixel, g.means[:, 2:]], dim=1)
            small, faint = g.log_scales - 1.0, g.opacity_logits.clamp(max=-2.0)
            g = replace(g, means=inside, log_scales=small, opacity_logits=faint)
        case "behind the camera":
            g = replace(g, means=g.means * torch.tensor([1.0, 1.0, -1.0]))
        case "invisible":
            g = replace(g, opacity_logits=torch.full((len(g),), -6.0))
        case "odd size":
            cameras = _camera(width + 1, height + 1)
        case "one pixel":
            cameras = _camera(1, 1)
        case "none":
            pass
        case _:
            raise AssertionError(f"no awkward input is called {kind}")
    return Input(f"{kind} {count_name(len(g))} {size_name(int(cameras.width[0]), int(cameras.height[0]))}", g, cameras)


def count_name(count: int) -> str:
    """50k, 1M."""
    if count >= 1_000_000 and count % 100_000 == 0:
        return f"{count / 1e6:g}M"
    return f"{count / 1e3:g}k" if count >= 1000 and count % 100 == 0 else str(count)


def size_name(width: int, height: int) -> str:
    return f"{width}x{height}"


def _focal(width: int) -> float:
    return 0.9 * width


def _fill(count: int, width: int, height: int, r: torch.Generator) -> tuple[Float[Tensor, "g"], Float[Tensor, "g 3"]]:
    """Depths from 1 to 4, and places that are even over the image."""
    depth = 1 + 3 * torch.rand(count, generator=r)
    x = (torch.rand(count, generator=r) - 0.5) * width / _focal(width) * depth
    y = (torch.rand(count, generator=r) - 0.5) * height / _focal(width) * depth
    return depth, torch.stack([x, y, depth], dim=1)


def _camera(width: int, height: int) -> Cameras:
    focal = _focal(width)
    return Cameras(
        torch.eye(4)[None],
        torch.tensor([[focal, focal]]),
        torch.tensor([[width / 2, height / 2]]),
        torch.tensor([width]),
        torch.tensor([height]),
    )


def _in_z_order(g: Gaussians) -> Gaussians:
    """As the trainer keeps them: neighbours in space are neighbours in memory."""
    order = morton_order(g.means)
    return Gaussians(
        g.means[order], g.quats[order], g.log_scales[order], g.opacity_logits[order], g.sh[order], g.antialiased
    )
