"""How the photos' cameras are moved while a field learns, where their poses are not exact.

Letters: `v` views, `r` rays. A correction turns a camera about its own centre and then shifts it, in the world's axes.
Source: Lin et al. 2021 (BARF), without its schedule of frequencies: wide rays of small photos see coarse levels alone.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.models.rays.cast import Rays
from recon.models.rays.learned import Learned

__all__ = ["Corrections"]


class Corrections:
    """Six numbers a view, radians and world units; their mean over the training photos stays zero.

    So the scene stays where it was, and held-out photos, which learn nothing, see it from where they did.
    """

    def __init__(self, views: int, trained: tuple[int, ...], device: torch.device | str = "cpu") -> None:
        self.learned = Learned.of([torch.zeros(views, 3), torch.zeros(views, 3)], device)
        self._trained = torch.tensor(trained, dtype=torch.long, device=device)

    def leaf(self) -> Float[Tensor, "w"]:
        """The numbers, ready to gather a gradient."""
        return self.learned.values.clone().requires_grad_()

    def moved(self, rays: Rays, views: Int[Tensor, "r"], leaf: Float[Tensor, "w"]) -> Rays:
        """The rays of these views, corrected. Differentiable in `leaf`."""
        turned, shifted = self.learned.parts(leaf)
        x, y, z = turned.unbind(dim=-1)
        none = torch.zeros_like(x)
        about = torch.stack([none, -z, y, z, none, -x, -y, x, none], dim=-1).view(-1, 3, 3)
        directions = (torch.linalg.matrix_exp(about)[views] @ rays.directions[..., None])[..., 0]
        return replace(rays, origins=rays.origins + shifted[views], directions=directions)

    def step(self, gradient: Float[Tensor, "w"], rate: float) -> None:
        self.learned.step(gradient, rate)
        for part in self.learned.parts():
            part[self._trained] -= part[self._trained].mean(dim=0)
