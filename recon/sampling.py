"""What each training step looks at: one photo after the other, small ones first, or random pixels of all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor
from torch.nn.functional import interpolate

from recon.errors import RunError
from recon.types import Batch, Cameras, DepthMap, Picture, Scene

__all__ = ["PixelSampler", "Sampler", "shrink"]

_SMALLEST = 48
"""Longest side, in pixels, under which photos are not shrunk: the SSIM window would see the whole image."""
_SHARES = (0.75, 0.16, 0.06, 0.03)
"""Of the pixels drawn, those from photos at full size, half, a quarter, an eighth: so that models learn how their scene
looks from afar. More than in proportion to their number, because they are few."""
_FEWEST = 16
"""Longest side, in pixels, of the smallest photos that single pixels are drawn from."""
_STAY = 256
"""Draws from the same photos, where not all are in memory."""


class Sampler:
    """Draws training views without replacement until all were seen, then shuffles anew.

    Pictures are kept at the resolution asked for last, planar, up to `memory` bytes; others are made again each time.
    They are on `device`, so that a step on a GPU does not wait for them; cameras stay on the CPU, where they are read.
    """

    def __init__(self, scene: Scene, *, seed: int, memory: int = 1 << 30, device: torch.device | str = "cpu") -> None:
        self._scene = scene
        self._device = torch.device(device)
        self._generator = torch.Generator().manual_seed(seed)
        self._order = torch.zeros(0, dtype=torch.long)
        self._next = 0
        self._memory = memory
        self._scale = 1.0
        self._kept: dict[int, Batch] = {}
        self._kept_bytes = 0

    def draw(self, scale: float = 1.0, pixels: int = 0) -> Batch:
        """The next training view, its sides shrunk to `scale` (0 to 1) of the working resolution; all its pixels."""
        if self._next >= len(self._order):
            train = torch.tensor(self._scene.train)
            self._order = train[torch.randperm(len(train), generator=self._generator)]
            self._next = 0
        view = int(self._order[self._next])
        self._next += 1
        return self.view(view, scale)

    def view(self, index: int, scale: float = 1.0) -> Batch:
        """One view, chosen."""
        if scale != self._scale:
            self._scale, self._kept, self._kept_bytes = scale, {}, 0
        if index in self._kept:
            return self._kept[index]
        batch = _pictures_to(self._device, _batch(self._scene, index, scale))
        size = batch.rgb.numel() + sum(part.numel() for part in (batch.alpha, batch.mask) if part is not None)
        size += 0 if batch.depth is None else 8 * batch.depth.inverse.numel()
        if self._kept_bytes + size <= self._memory:
            self._kept[index] = batch
            self._kept_bytes += size
        return batch

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "generator": self._generator.get_state(),
            "order": self._order.clone(),
            "next": torch.tensor(self._next),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._generator.set_state(state["generator"])
        self._order, self._next = state["order"].clone(), int(state["next"])


class PixelSampler:
    """Draws pixels of all training photos alike, at full size and, a share of them, of photos shrunk by 2, 4 and 8.

    Pixels that a mask ignores are never drawn. Where the photos take more than `memory` bytes, some of them are looked
    at for a while, then others. They and their cameras are on `device`.
    """

    def __init__(self, scene: Scene, *, seed: int, memory: int = 1 << 30, device: torch.device | str = "cpu") -> None:
        self._scene = scene
        self._device = torch.device(device)
        self._generator = torch.Generator().manual_seed(seed)
        cameras = scene.cameras[list(scene.train)]
        largest = int((cameras.width.long() * cameras.height).max()) if len(scene.train) > 0 else 1
        self._at_once = max(min(memory // (6 * largest), len(scene.train)), 1)
        self._order = torch.zeros(0, dtype=torch.long)
        self._next = 0
        self._drawn = 0
        self._table: _PixelTable | None = None

    def draw(self, scale: float = 1.0, pixels: int = 4096) -> Batch:
        """So many pixels. A pixel costs the same whatever the size of its photo, so `scale` changes nothing."""
        if len(self._order) == 0 or (self._drawn >= _STAY and self._at_once < len(self._scene.train)):
            self._turn()
        table = self._table
        if table is None:
            shown = self._order[self._next : self._next + self._at_once]
            table = self._table = _PixelTable.of(self._scene, shown.tolist()).to(self._device)
        self._drawn += 1
        return table.draw(pixels, self._generator)

    def state_dict(self) -> dict[str, Tensor]:
        return {
            "generator": self._generator.get_state(),
            "order": self._order.clone(),
            "next": torch.tensor(self._next),
            "drawn": torch.tensor(self._drawn),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._order, self._next, self._drawn = state["order"].clone(), int(state["next"]), int(state["drawn"])
        self._table = None
        self._generator.set_state(state["generator"])

    def _turn(self) -> None:
        """Look at the next photos of the order, a new one when all were seen."""
        self._next += self._at_once
        if self._next >= len(self._order):
            train = torch.tensor(self._scene.train)
            self._order = train[torch.randperm(len(train), generator=self._generator)]
            self._next = 0
        self._drawn, self._table = 0, None


@dataclass(frozen=True)
class _PixelTable:
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
    def of(cls, scene: Scene, views: Sequence[int]) -> _PixelTable:
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

    def to(self, device: torch.device) -> _PixelTable:
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


def _batch(scene: Scene, index: int, scale: float) -> Batch:
    camera, picture, depth = scene.cameras[index], scene.images[index], scene.depths.get(index)
    if scale < 1:
        longest = int(torch.maximum(camera.width, camera.height))
        camera = camera.resized(max(round(longest * scale), min(_SMALLEST, longest)))
        picture = shrink(picture, width=int(camera.width), height=int(camera.height))
        depth = None if depth is None else _shrunk(depth, width=int(camera.width), height=int(camera.height))
    planar = picture.rgb.permute(2, 0, 1).contiguous()
    return Batch(camera, planar.permute(1, 2, 0), (index,), alpha=picture.alpha, mask=picture.mask, depth=depth)


def _pictures_to(device: torch.device, batch: Batch) -> Batch:
    if device.type == "cpu":
        return batch
    planar = batch.rgb.permute(2, 0, 1).to(device)
    alpha, mask = (None if part is None else part.to(device) for part in (batch.alpha, batch.mask))
    depth = None if batch.depth is None else batch.depth.to(device)
    return replace(batch, rgb=planar.permute(1, 2, 0), alpha=alpha, mask=mask, depth=depth)


def shrink(picture: Picture, *, width: int, height: int) -> Picture:
    """The picture at a smaller size, each pixel the mean over the area it covers; colours weigh by their alpha."""
    rgb = picture.rgb.permute(2, 0, 1).float()
    mask = None if picture.mask is None else _area(picture.mask.float()[None], width, height)[0]
    if picture.alpha is None:
        return Picture(_bytes(_area(rgb, width, height)).permute(1, 2, 0), mask=None if mask is None else _bytes(mask))
    alpha = picture.alpha.float()[None] / 255
    covered = _area(alpha, width, height)
    colour = _area(rgb * alpha, width, height) / covered.clamp(min=1e-6)
    small = Picture(_bytes(colour).permute(1, 2, 0), alpha=_bytes(covered[0] * 255))
    return small if mask is None else replace(small, mask=_bytes(mask))


def _shrunk(depth: DepthMap, *, width: int, height: int) -> DepthMap:
    """Each pixel the mean inverse depth of the area it covers, by confidence."""
    both = torch.stack([depth.inverse * depth.confidence, depth.confidence])
    inverse, confidence = _area(both, width, height)
    return DepthMap(inverse / confidence.clamp(min=1e-6), confidence, depth.kind)


def _area(planes: Float[Tensor, "c h w"], width: int, height: int) -> Float[Tensor, "c h2 w2"]:
    return interpolate(planes[None], size=(height, width), mode="area")[0]


def _bytes(values: Tensor) -> UInt8[Tensor, "..."]:
    return values.round().clamp(0, 255).to(torch.uint8)
