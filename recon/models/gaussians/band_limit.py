"""No Gaussian is finer than what photos can tell: the 3D smoothing of Mip-Splatting, as a bound on the scales.

A photo samples the world every depth / focal; detail finer than its closest look at a place is made up, and shows as
needles when the viewer comes closer. Source: Yu et al. 2024, "Mip-Splatting", section 4.1, which convolves each
Gaussian with a filter of `FILTER_VARIANCE` squared sampling intervals. The bound has the same band limit and leaves the
Gaussians plain, so that every file format and viewer shows what was trained.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.gaussians.store import GaussianStore
from recon.ops.blocks import LANES
from recon.types import Cameras

__all__ = ["BandLimit", "sampling_intervals"]

FILTER_VARIANCE = 0.2
"""In squared sampling intervals. The paper's."""
_EVERY = 100
"""Steps after which the intervals are measured again, for Gaussians move."""
_MARGIN = 0.15
"""Share of the image size by which a centre may lie outside and still be seen."""
_NEAR = 0.01
"""World units."""
_NO_FLOOR = -1e30
"""Logarithm of no scale at all. Infinity is no number, and a checkpoint holds nothing else."""


class BandLimit:
    """Keeps the scales of one model above what `cameras` can resolve."""

    def __init__(self, cameras: Cameras) -> None:
        self._cameras = cameras
        self._floor: Float[Tensor, "b 16"] | None = None

    def after_step(self, store: GaussianStore, *, step: int, changed: bool) -> None:
        """Raise scales that fell below; `changed` says that Gaussians were added, removed or moved elsewhere."""
        if self._floor is None or changed or step % _EVERY == 0:
            self._floor = self._measure(store)
        scales = store.blocks[:, 3:6]
        torch.maximum(scales, self._floor[:, None], out=scales)

    def _measure(self, store: GaussianStore) -> Float[Tensor, "b 16"]:
        floor = store.blocks.new_full((len(store.blocks) * LANES,), _NO_FLOOR)
        self._cameras = self._cameras.to(store.blocks.device)
        intervals = sampling_intervals(store.planes(slice(0, 3)), self._cameras)
        floor[: store.count] = (FILTER_VARIANCE**0.5 * intervals).log().clamp(min=_NO_FLOOR)
        return floor.reshape(-1, LANES)

    def state_dict(self) -> dict[str, Tensor]:
        """On the CPU."""
        return {} if self._floor is None else {"floor": self._floor.to("cpu", copy=True)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self._floor = state["floor"].clone() if "floor" in state else None


def sampling_intervals(means: Float[Tensor, "g 3"], cameras: Cameras) -> Float[Tensor, "g"]:
    """World units between neighbouring pixels at each place, in the camera that sees it finest.

    A place that none sees counts as the coarsest of those seen; 0 where nothing is seen at all.
    """
    finest = means.new_full((len(means),), torch.inf)
    for index in range(len(cameras)):
        camera = cameras[index]
        seen = means @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
        depth = seen[:, 2]
        pixel = seen[:, :2] / depth.clamp(min=_NEAR)[:, None] * camera.focal + camera.center
        size = torch.stack([camera.width, camera.height]).to(means.dtype)
        inside = ((pixel > -_MARGIN * size) & (pixel < (1 + _MARGIN) * size)).all(dim=1) & (depth > _NEAR)
        interval = torch.where(inside, depth / camera.focal.max(), torch.inf)
        finest = torch.minimum(finest, interval)
    known = finest.isfinite()
    coarsest = finest[known].max() if bool(known.any()) else means.new_zeros(())
    return torch.where(known, finest, coarsest)
