"""A small network that sees depth in one photo: residual blocks on five scales, put together again from coarse to fine.

It takes the photo and, where there are any, the inverse depths of sparse points, and answers relative inverse depth:
right but for a scale and a shift. Where there are points, it says what their mere spreading gets wrong. Letters: `b`
photos.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from recon.priors.depth.monocular.spreading import spread

__all__ = ["STRIDE", "DepthNetwork"]

STRIDE = 32
"""Heights and widths that the network takes are multiples of this."""

_WIDTHS = (32, 64, 96, 144, 176)
"""Channels at a half, a quarter, ... of the resolution."""
_GROUP = 8
"""Channels normalised together (Wu and He 2018): batches are small, and photos differ from what was rendered."""


class DepthNetwork(nn.Module):
    """2.9 million parameters; 20 ms of one core for 160 x 128 pixels, as which a photo is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(5, _WIDTHS[0], 5, stride=2, padding=2)
        depths = (1, 1, 2, 2, 1)
        self.down = nn.ModuleList()
        for level, width in enumerate(_WIDTHS):
            before = _WIDTHS[max(level - 1, 0)]
            layers: list[nn.Module] = [_Shrink(before, width)] if level > 0 else []
            self.down.append(nn.Sequential(*layers, *(_Residual(width) for _ in range(depths[level]))))
        self.around = _Around(_WIDTHS[-1])
        self.up = nn.ModuleList(
            _Join(coarse, fine) for coarse, fine in zip(_WIDTHS[:0:-1], _WIDTHS[-2::-1], strict=True)
        )
        self.leave = nn.Conv2d(_WIDTHS[0] + 5, 32, 3, padding=1)
        self.layout = nn.Conv2d(32, 4, 1)
        self.correction = nn.Conv2d(32, 4, 1)
        for value in self.correction.parameters():
            nn.init.zeros_(value)  # untrained, it leaves the spread points as they are

    def forward(
        self,
        rgb: Float[Tensor, "b 3 h w"],
        sparse: Float[Tensor, "b 1 h w"] | None = None,
        known: Float[Tensor, "b 1 h w"] | None = None,
    ) -> Float[Tensor, "b 1 h w"]:
        """`rgb` is sRGB in 0..1; `sparse` is inverse depth where `known` is 1, in any scale and shift."""
        seen = torch.cat([(rgb - 0.45) * 4, *_steadied(sparse, known, rgb)], dim=1)
        x, passed = self.enter(seen), []
        for level in self.down:
            x = level(x)
            passed.append(x)
        x = self.around(x)
        for join, skipped in zip(self.up, passed[-2::-1], strict=True):
            x = join(x, skipped)
        half = F.avg_pool2d(seen, 2)
        fine = F.relu(self.leave(torch.cat([x, half], dim=1)))
        alone, corrected = (F.pixel_shuffle(head(fine), 2) for head in (self.layout, self.correction))
        any_known = seen[:, 4:].amax(dim=(-2, -1), keepdim=True) > 0
        return torch.where(any_known, seen[:, 3:4] + corrected, alone)


def _steadied(sparse: Tensor | None, known: Tensor | None, rgb: Tensor) -> tuple[Tensor, Tensor]:
    """Sparse values with median 0 and mean distance from it 1, spread over the picture, and where they came from."""
    nothing = torch.zeros_like(rgb[:, :1])
    if sparse is None or known is None:
        return nothing, nothing
    count = known.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
    middle = torch.where(known > 0, sparse, torch.nan).flatten(1).nanmedian(dim=1).values.nan_to_num()
    away = (sparse - middle[:, None, None, None]) * known
    usual = (away.abs().sum(dim=(-2, -1), keepdim=True) / count).clamp(min=1e-6)
    return spread((away / usual).clamp(-4, 4), known, rgb), known


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.GroupNorm(width // _GROUP, width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.GroupNorm(width // _GROUP, width)

    def forward(self, x: Tensor) -> Tensor:
        inside = F.relu(self.first_norm(self.first(x)))
        return F.relu(x + self.second_norm(self.second(inside)))


class _Shrink(nn.Sequential):
    def __init__(self, before: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False),
            nn.GroupNorm(width // _GROUP, width),
            nn.ReLU(),
        )


class _Around(nn.Module):
    """What the whole picture says, added everywhere: whether there is a horizon, what kind of place it is."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(2 * width, width)
        self.second = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        said = torch.cat([x.mean(dim=(-2, -1)), x.amax(dim=(-2, -1))], dim=1)
        return x + self.second(F.relu(self.first(said)))[:, :, None, None]


class _Join(nn.Module):
    def __init__(self, coarse: int, fine: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(coarse, fine, 1)
        self.mix = _Residual(fine)

    def forward(self, x: Tensor, skipped: Tensor) -> Tensor:
        x = F.interpolate(self.narrow(x), size=skipped.shape[-2:], mode="bilinear", align_corners=False)
        return self.mix(F.relu(x + skipped))
