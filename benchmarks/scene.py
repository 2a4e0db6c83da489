"""Made-up scenes for benchmarks: seeded, and of the shape trained ones have."""

from __future__ import annotations

import torch

from recon.types import Cameras, Gaussians

__all__ = ["made_up_scene"]


def made_up_scene(count: int, width: int, height: int, *, seed: int = 0, degree: int = 3) -> tuple[Gaussians, Cameras]:
    """`count` Gaussians that fill the view of one camera at the origin.

    Sizes are log-normal around 1.3 pixels at 480 wide, as a trained scene of that resolution has them, and grow with
    the image; half are nearly opaque. Almost all are on screen, which a real view's are not: the hard case.
    """
    r = torch.Generator().manual_seed(seed)
    depth = 1 + 3 * torch.rand(count, generator=r)
    focal = 0.9 * width
    x = (torch.rand(count, generator=r) - 0.5) * width / focal * depth
    y = (torch.rand(count, generator=r) - 0.5) * height / focal * depth
    spread = 0.6 * torch.randn(count, 1, generator=r) + 0.4 * torch.randn(count, 3, generator=r)
    pixels = 1.3 * width / 480
    gaussians = Gaussians(
        means=torch.stack([x, y, depth], dim=1),
        quats=torch.randn(count, 4, generator=r),
        log_scales=(pixels * depth / focal).log()[:, None] + spread,
        opacity_logits=2 * torch.randn(count, generator=r) - 0.3,
        sh=0.3 * torch.randn(count, (degree + 1) ** 2, 3, generator=r),
    )
    camera = Cameras(
        torch.eye(4),
        torch.tensor([focal, focal]),
        torch.tensor([width / 2, height / 2]),
        torch.tensor(width),
        torch.tensor(height),
    )
    return gaussians, camera
