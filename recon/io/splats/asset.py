"""What a splat file holds, whatever its format."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.io.frames import FrameName, axes_of, level, up_of
from recon.io.splats.labels import Labels
from recon.io.splats.look import Look
from recon.io.splats.turning import turned
from recon.types import Gaussians

__all__ = ["SplatAsset", "presentable"]

_LARGEST_LOGIT = 30.0
_LARGEST_LOG_SCALE = 40.0
"""Beyond these, float32 knows no difference between opaque and nearly so, or overflows when squared."""


@dataclass(frozen=True)
class SplatAsset:
    """Gaussians, and which way they stand."""

    gaussians: Gaussians
    frame: FrameName | None = None
    """How the axes lie; None where nobody said."""
    up: tuple[float, float, float] | None = None
    """Unit vector against gravity; None where nobody said."""
    notes: tuple[str, ...] = ()
    """What the reader had to leave out or mend, in words for the user."""
    weights: Float[Tensor, "g"] | None = None
    """Share of each in what photos show, up to a factor; None where nobody looked. Formats that make few values stand
    for many let them choose these; no file keeps them."""
    look: Look | None = None
    """From where to look at them; None where nobody said. Only pages keep it."""
    labels: Labels | None = None
    """What each belongs to; None where nobody said. Only 3DGS PLY keeps it."""

    def __len__(self) -> int:
        return len(self.gaussians)

    def turn_to(self, frame: FrameName) -> Float[np.ndarray, "3 3"]:
        """The axes of `frame` from these. Where nobody said how these lie, they are COLMAP's, as in most files."""
        if self.frame is not None:
            return axes_of(frame) @ axes_of(self.frame).T
        return axes_of(frame) @ (np.eye(3) if self.up is None else level(np.array(self.up)))

    def in_frame(self, frame: FrameName) -> SplatAsset:
        """The same scene in the axes of `frame`."""
        up = tuple(float(value) + 0.0 for value in up_of(frame))
        turn = self.turn_to(frame)
        look = None if self.look is None else self.look.turned(turn)
        return replace(self, gaussians=turned(self.gaussians, turn), frame=frame, up=up, look=look)  # pyright: ignore[reportArgumentType] - three numbers


def presentable(asset: SplatAsset, where: str) -> SplatAsset:
    """The asset with numbers that every program can show; what was done about others is in its notes.

    Gaussians with a position, size or colour that is not finite are left out. Infinite opacity logits mean opaque or
    invisible, sizes of zero stay very small, and a quaternion of length zero becomes no rotation.
    """
    gaussians, notes = asset.gaussians, list(asset.notes)
    logits = gaussians.opacity_logits.clamp(-_LARGEST_LOGIT, _LARGEST_LOGIT)
    log_scales = gaussians.log_scales.clamp(-_LARGEST_LOG_SCALE, _LARGEST_LOG_SCALE)
    sums = torch.stack([gaussians.means.sum(1), log_scales.sum(1), gaussians.quats.sum(1), logits])
    good = sums.isfinite().all(dim=0) & gaussians.sh.flatten(1).sum(1).isfinite()
    still = ~(gaussians.quats.square().sum(1) > 0) & good
    if len(good) > 0 and not bool(good.any()):
        raise InputError(f"{where} holds no splat whose numbers are finite.", advice="Export the splats again.")
    if not bool(good.all()):
        notes.append(f"{int((~good).sum())} splats whose numbers are not finite are left out")
    if bool(still.any()):
        notes.append(f"{int(still.sum())} splats whose rotation has length zero are not rotated")
    same = torch.equal(logits, gaussians.opacity_logits) and torch.equal(log_scales, gaussians.log_scales)
    if same and len(notes) == len(asset.notes):
        return asset
    quats = torch.where(still[:, None], torch.tensor([1.0, 0.0, 0.0, 0.0]), gaussians.quats)
    whole = replace(gaussians, quats=quats, log_scales=log_scales, opacity_logits=logits)
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    return replace(
        asset,
        gaussians=replace(whole, **{name: getattr(whole, name)[good] for name in names}),
        notes=tuple(notes),
        labels=None if asset.labels is None else asset.labels.only(good),
    )
