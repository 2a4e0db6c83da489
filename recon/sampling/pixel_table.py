"""The pixels of several photos in one table, at full size and shrunk, to draw any of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from recon.errors import RunError
from recon.sampling.shrinking import shrink
from recon.types import Batch, Cameras, Picture, Scene

__all__ = ["PixelTable"]

_SHARES = (0.75, 0.16, 0.06, 0.03)
"""Of the pixels drawn, those from photos at full size, half, a quarter, an eighth: so that models learn how their scene
looks from afar. More than in proportion to their number, because they are few."""
_FEWEST = 16
"""Longest side, in pixels, of the smallest photos that single pixels are drawn from."""


@dataclass(frozen=True)
class PixelTable:
    """The pixels of some photos and of their shrunk copies, one after the other; the largest size first."""

    cameras: Cameras
    """One for each photo and size."""
    indices: tuple[int, ...]
    """The view behind each camera."""
    start: Int[Tensor, "m"]
    """First pixel of each camera."""
    sizes: tuple[tuple[int, int], ...]
    """First and last + 1 of the pixels that may be drawn, for each size."""
    usable: Int[Tensor, "u"] | None
    """Those of the pixels that may be drawn; None: all."""
    rgb: UInt8[Tensor, "p 3"]
    alpha: UInt8[Tensor, "p"] | None
    mask: UInt8[Tensor, "p"] | None

    @classmethod
    def of(cls, scene: Scene, views: Sequence[int]) -> PixelTable:
        pictures = [scene.images[view] for view in views]
        everything = [[(scene.cameras[view], picture) for view, picture in zip(views, pictures, strict=True)]]
        longest = int(torch.maximum(scene.cameras.width, scene.cameras.height)[list(views)].min())
        while len(everything) < len(_SHARES) and longest >> len(everything) >= _FEWEST:
            everything.append([_halved(camera, picture) for camera, picture in everything[-1]])
        flat = [photo for size in everything for photo in size]
        counts = torch.tensor([picture.rgb.shape[0] * picture.rgb.shape[1] for _, picture in flat])
        ends = counts.cumsum(0)
        mask = _joined([(picture.mask, int(count)) for (_, picture), count in zip(flat, counts, strict=True)])
        usable = None if mask is None or not bool((mask == 0).any()) else mask.nonzero()[:, 0]
        last = [int(ends[len(views) * (level + 1) - 1]) for level in range(len(everything))]
        if usable is not None:
            last = torch.searchsorted(usable, torch.tensor(last)).tolist()
        return cls(
            cameras=_stacked([camera for camera, _ in flat]),
            indices=tuple(views) * len(everything),
            start=ends - counts,
            sizes=tuple(zip([0, *last[:-1]], last, strict=True)),
            usable=usable,
            rgb=torch.cat([picture.rgb.reshape(-1, 3) for _, picture in flat]),
            alpha=_joined([(picture.alpha, int(count)) for (_, picture), count in zip(flat, counts, strict=True)]),
            mask=mask,
        )

    def to(self, device: torch.device) -> PixelTable:
        """The pixels there; which of them are drawn is still decided on the CPU."""
        moved = {name: getattr(self, name) for name in ("start", "usable", "rgb", "alpha", "mask")}
        moved = {name: None if part is None else part.to(device) for name, part in moved.items()}
        return replace(self, cameras=self.cameras.to(device), **moved)

    def draw(self, count: int, generator: torch.Generator) -> Batch:
        parts, left = [], count
        for (first, last), share in reversed(list(zip(self.sizes, _SHARES, strict=False))):
            part = left if first == 0 else min(int(share * count), left)
            if last > first and part > 0:
                parts.append(torch.randint(first, last, (part,), generator=generator))
                left -= part
        if len(parts) == 0:
            raise RunError("The masks ignore every pixel of the photos.", advice="Mask less; white is kept.")
        chosen = torch.cat(parts).to(self.rgb.device, non_blocking=True)
        if self.usable is not None:
            chosen = self.usable[chosen]
        camera_of = torch.searchsorted(self.start, chosen, right=True) - 1
        local, width = chosen - self.start[camera_of], self.cameras.width[camera_of]
        return Batch(
            self.cameras,
            self.rgb[chosen],
            self.indices,
            alpha=None if self.alpha is None else self.alpha[chosen],
            mask=None if self.mask is None else self.mask[chosen],
            pixels=torch.stack([local % width, local // width], dim=-1) + 0.5,
            camera_of=camera_of,
        )


def _halved(camera: Cameras, picture: Picture) -> tuple[Cameras, Picture]:
    longest = int(torch.maximum(camera.width, camera.height))
    camera = camera.resized(max(longest // 2, 1))
    return camera, shrink(picture, width=int(camera.width), height=int(camera.height))


def _stacked(cameras: Sequence[Cameras]) -> Cameras:
    return Cameras(*(torch.stack([getattr(c, name) for c in cameras]) for name in Cameras.__dataclass_fields__))


def _joined(planes: Sequence[tuple[Tensor | None, int]]) -> UInt8[Tensor, "p"] | None:
    """One after the other, full where there is none; None when there are none at all. With each, its pixels."""
    if all(plane is None for plane, _ in planes):
        return None
    full = torch.tensor(255, dtype=torch.uint8)
    return torch.cat([full.expand(count) if plane is None else plane.reshape(-1) for plane, count in planes])
