"""Where the scene is empty: nerfacc's occupancy grid holds and updates it, our marching reads it.

Letters: `c` cubes, `k` cells along a cube's side, `p` points.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import max_pool2d

from recon.models.rays.bounds import Bounds
from recon.ops.march import OccupancyCubes
from recon.types import Cameras, Scene

__all__ = ["Occupancy"]

_FROM = 48
"""Steps before the first update: what a new field says of a cell is chance."""
_EVERY = 16
"""Steps between two updates. Source: Mueller et al. 2022, appendix E.2."""
_SETTLED = 512
"""Steps after which half as many updates do: from then on little changes between two."""
_FORGET = 0.8
"""Source: the same."""
_EMPTY = 0.01
"""Opacity gathered in one step under which a cell counts as empty. Source: the same."""
_REACH = 1.3
"""Half a cell's diagonal, and half as much again for cells nearer to a camera than most; in cells."""
_OUT_OF_SIGHT = 32
"""Times `_EVERY` steps after which a cell is left out in which no ray saw anything: surfaces hide it."""
_UNSEEN = 2
"""Photos that must see nothing at a cell's place before it is given up for good."""


class Occupancy:
    """Mutable, as the field is. Cells that no training camera sees, or that photos show to be empty, stay empty."""

    def __init__(self, bounds: Bounds, *, cells: int, step: float, device: torch.device | str = "cpu") -> None:
        from nerfacc.estimators.occ_grid import OccGridEstimator

        self._bounds, self._step = bounds, step
        low, high = bounds.corners()
        self._grid: Any = OccGridEstimator([*low.tolist(), *high.tolist()], cells, bounds.doublings).to(device)
        self._grid.binaries.fill_(True)
        self._age = torch.zeros_like(self._grid.binaries, dtype=torch.uint8)
        self._share: float | None = None

    @property
    def cubes(self) -> OccupancyCubes:
        """Cells that hold something that can be seen."""
        return replace(self.everything, occupied=self._grid.binaries & (self._age < _OUT_OF_SIGHT))

    @property
    def everything(self) -> OccupancyCubes:
        """Cells that hold something, seen or not: to look around in now and then."""
        return OccupancyCubes(self._grid.binaries, self._bounds.center, self._bounds.radius)

    def mark(self, points: Float[Tensor, "p 3"]) -> None:
        """Here something is seen."""
        y = self._bounds.unit(points)
        cube = y.abs().amax(dim=-1).clamp(min=1).log2().ceil().long()
        side = self._age.shape[1]
        x = ((y / 2.0 ** cube[:, None] + 1) * (side / 2)).long().clamp(0, side - 1)
        self._age[cube.clamp(max=len(self._age) - 1), x[:, 0], x[:, 1], x[:, 2]] = 0

    @property
    def known(self) -> bool:
        """Whether the field was ever asked where it is empty."""
        return bool((self._grid.occs > 0).any())

    @property
    def share(self) -> float:
        """Of the cells, those that held something that could be seen when the grid was last looked at."""
        if self._share is None:
            self._share = float(self.cubes.occupied.float().mean())
        return self._share

    def carve(self, scene: Scene, *, near: float) -> None:
        """Give up what no training camera sees and, where photos are cut out, what they show to be empty."""
        grid, self._share = self._grid, None
        chosen = scene.cameras[list(scene.train)].to(grid.occs.device)
        size = torch.stack([chosen.width, chosen.height], dim=-1)
        lens = chosen.focal.new_zeros(len(chosen), 3, 3)
        lens[:, 0, 0], lens[:, 1, 1] = (chosen.focal / size).unbind(dim=-1)
        lens[:, :2, 2], lens[:, 2, 2] = chosen.center / size, 1.0
        world_from_cam = torch.linalg.inv(chosen.cam_from_world)[:, :3]
        grid.mark_invisible_cells(lens, world_from_cam, width=1, height=1, near_plane=near)
        if scene.transparent and not self._bounds.contract:
            self._cut_out(scene)
        kept = grid.occs.reshape(grid.binaries.shape) >= 0
        if bool(kept.any()):
            grid.binaries = kept
        else:  # nothing would be left to learn in
            grid.occs.zero_()

    def update(self, step: int, density: Callable[[Float[Tensor, "p 3"]], Float[Tensor, "p"]], *, seed: int) -> None:
        """Look again at some cells, now and then; at all of them in the first few hundred steps.

        `density` is per world unit.
        """
        every = _EVERY if step < _SETTLED else 2 * _EVERY
        if step < _FROM or step % every != 0:
            return
        self._share = None
        self._age = (self._age + every // _EVERY).clamp(max=_OUT_OF_SIGHT)

        def opacity(points: Float[Tensor, "p 3"]) -> Float[Tensor, "p 1"]:
            away = self._bounds.unit(points).norm(dim=-1)
            return (density(points) * self._step * away.clamp(min=1).square())[:, None]  # as if it were in the middle

        device = self._age.device
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(seed * 1_000_003 + step)  # nerfacc draws from torch's own generator
            self._grid.update_every_n_steps(
                step, opacity, occ_thre=_EMPTY, ema_decay=_FORGET, warmup_steps=256, n=every
            )

    def state_dict(self) -> dict[str, Tensor]:
        """On the CPU."""
        state = {"occs": self._grid.occs, "binaries": self._grid.binaries, "age": self._age}
        return {name: value.to("cpu", copy=True) for name, value in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state["occs"].shape != self._grid.occs.shape:
            raise RuntimeError("the occupancy grid has another size")
        device, self._share = self._age.device, None
        self._grid.occs, self._grid.binaries, self._age = (
            state[name].to(device, copy=True) for name in ("occs", "binaries", "age")
        )

    def _cut_out(self, scene: Scene) -> None:
        grid = self._grid
        low, high = self._bounds.corners().to(grid.occs.device)
        centers = low + (grid.grid_coords + 0.5) / grid.resolution * (high - low)
        cell = float((high - low).max()) / int(grid.resolution.max())
        empty = torch.zeros(len(centers), dtype=torch.int32, device=centers.device)
        for view in scene.train:
            alpha, open_ = scene.images[view].alpha, (empty < _UNSEEN).nonzero()[:, 0]
            if alpha is not None and len(open_) > 0:
                camera = scene.cameras[view].to(centers.device)
                empty[open_] += _shows_nothing(camera, alpha.to(centers.device), centers[open_], cell)
        grid.occs[empty >= _UNSEEN] = -1.0


def _shows_nothing(camera: Cameras, alpha: Tensor, centers: Float[Tensor, "p 3"], cell: float) -> Tensor:
    """Whether the picture is wholly transparent where a cell around each centre could be seen."""
    seen = centers @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    middle = max(float(seen[:, 2].median()), 1e-3)
    reach = int(_REACH * cell * float(camera.focal.max()) / middle) + 1
    coarse = max(reach // 4, 1)  # pixels taken together, which errs towards keeping cells
    around = -(-reach // coarse)
    covered = max_pool2d((alpha > 0).float()[None, None], coarse, ceil_mode=True)
    covered = max_pool2d(covered, 2 * around + 1, stride=1, padding=around)[0, 0]
    places = seen[:, :2] / seen[:, 2:].clamp(min=1e-6) * camera.focal + camera.center
    inside = (places > 0).all(dim=-1) & (places < torch.stack([camera.width, camera.height])).all(dim=-1)
    x, y = torch.where(inside[:, None], places / coarse, 0).long().unbind(dim=-1)
    return inside & (seen[:, 2] > 0) & (covered[y, x] == 0)
