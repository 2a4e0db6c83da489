"""Stereo as a source of depth: match every photo, match again with the neighbours' depths, keep what they confirm."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError
from recon.ops.patch_match import PatchTerms
from recon.priors.depth.stereo.agreement import agreement
from recon.priors.depth.stereo.matching import Level, Seed, matched, pyramid, refined
from recon.priors.depth.stereo.neighbours import neighbours_of
from recon.priors.protocols import DepthMap, Progress
from recon.types import Picture, Scene

__all__ = ["StereoDepth"]

_LEAST_POINTS = 8
_MARGIN = 1.3
"""Inverse depths searched reach so many times beyond those of the sparse points."""
_FARTHEST = 0.2
"""Least inverse depth that is searched, as a share of the median point's: behind it, photos say little."""
_OUTLIERS = 0.02
"""Share of the points at either end that may be wrong."""


@dataclass(frozen=True)
class StereoDepth:
    """A `DepthPrior` without weights. Wants at least two photos that see the same things from different places."""

    neighbours: int = 8
    """Photos that each is compared with."""
    smallest: int = 100
    """Longest side of the coarsest picture, in pixels, at least."""
    terms: PatchTerms = field(default_factory=PatchTerms)
    rounds: int = 1
    """How often photos are matched again with their neighbours' depths."""
    least_agreeing: int = 2
    """Neighbours that must confirm a depth, where there are so many."""
    pixels: float = 1.0
    """How far the way to a neighbour's surface and back may end from where it began."""
    share: float = 0.01
    """How far a neighbour's depth may be off."""
    device: torch.device | str = "cpu"
    """Where photos are compared. All of them lie there, in 20 bytes a pixel."""

    def predict(self, scene: Scene, views: Sequence[int], progress: Progress) -> Iterator[DepthMap]:
        """Depths of `views` from each other, in world units; all are matched before the first is given."""
        if len(views) < 2:
            raise InputError(
                f"Stereo compares photos, and there is {len(views) or 'none'}.",
                advice="Use two or more, or another depth.",
            )
        pyramids: dict[int, list[Level]] = {}
        beside: dict[int, list[int]] = {}
        for view in views:
            _require_size(scene, view, self.terms)
            pyramids[view] = pyramid(
                scene.cameras[view], _gray_over_black(scene.images[view]).to(self.device), self.smallest
            )
            beside[view] = neighbours_of(view, scene.cameras, scene.points, views, self.neighbours)
        if not any(beside.values()):
            raise InputError(
                "No two photos see the same points.", advice="Take photos that overlap, or use another depth."
            )
        planes: dict[int, Float[Tensor, "3 h w"]] = {}
        seeds = {view: _seed(scene, view) for view in views}
        total = (1 + self.rounds) * len(views)
        for done, view in enumerate(views):
            progress(done / total, f"{scene.names[view]} matched")
            if len(beside[view]) > 0:
                others = [pyramids[other] for other in beside[view]]
                planes[view], _ = matched(pyramids[view], others, seeds[view], self.terms, key=view)
        for turn in range(self.rounds):
            before = {view: plane[0] for view, plane in planes.items()}
            for done, view in enumerate(planes):
                progress(((1 + turn) * len(views) + done) / total, f"{scene.names[view]} matched again")
                others = [(pyramids[other][-1], before[other]) for other in beside[view] if other in before]
                if len(others) > 0:
                    planes[view], _ = refined(
                        pyramids[view][-1],
                        others,
                        planes[view],
                        seeds[view],
                        self.terms,
                        key=view + 7919 * (1 + turn),
                        sweeps=1,
                    )
        for view in views:
            yield self._confirmed(scene, view, planes, beside[view]).to("cpu")

    def _confirmed(
        self, scene: Scene, view: int, planes: dict[int, Float[Tensor, "3 h w"]], beside: Sequence[int]
    ) -> DepthMap:
        camera = scene.cameras[view]
        if view not in planes:
            nothing = torch.zeros(int(camera.height), int(camera.width))
            return DepthMap(nothing, nothing, "scene")
        others = [(scene.cameras[other], planes[other][0]) for other in beside if other in planes]
        agreed = agreement(camera, planes[view][0], others, pixels=self.pixels, share=self.share)
        least = min(self.least_agreeing, len(others))
        confidence = (agreed.count.float() / min(4, max(len(others), 1))).clamp(max=1)
        kept = (agreed.count >= max(least, 1)) & _is_subject(scene.images[view]).to(self.device)
        return DepthMap(agreed.inverse, torch.where(kept, confidence, 0), "scene")


def _gray_over_black(picture: Picture) -> Tensor:
    if picture.alpha is None:
        return picture.rgb
    return (picture.rgb.float() * (picture.alpha.float() / 255)[..., None]).round().byte()


def _is_subject(picture: Picture) -> Tensor:
    """Where the photo shows what is to be seen: covered by the subject, and not masked."""
    kept = torch.ones(picture.rgb.shape[:2], dtype=torch.bool)
    for part in (picture.alpha, picture.mask):
        if part is not None:
            kept &= part >= 128
    return kept


def _require_size(scene: Scene, view: int, terms: PatchTerms) -> None:
    width, height = int(scene.cameras.width[view]), int(scene.cameras.height[view])
    side = 2 * terms.radius * terms.step + 1
    if min(width, height) < side:
        raise InputError(
            f"{scene.names[view]} has {width} x {height} pixels; patches of {side} are compared.",
            advice="Use larger photos, or a larger --image-size.",
        )


def _seed(scene: Scene, view: int) -> Seed:
    """The scene's points in front of the photo, those inside first of all, and the inverse depths around them."""
    camera = scene.cameras[view]
    seen = scene.points.xyz @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    share = (seen[:, :2] / seen[:, 2:].clamp(min=1e-9) * camera.focal + camera.center) / torch.stack(
        [camera.width, camera.height]
    )
    inside = (seen[:, 2] > 1e-6) & (share >= 0).all(dim=-1) & (share < 1).all(dim=-1)
    if int(inside.sum()) < _LEAST_POINTS:
        inside = seen[:, 2] > 1e-6
    if int(inside.sum()) < _LEAST_POINTS:
        raise InputError(
            f"{scene.names[view]} has {int(inside.sum())} points in front of it; its depth could be anything.",
            advice="Leave the photo out, or use another depth.",
        )
    inverse, share = 1 / seen[inside, 2], share[inside]
    low, high = inverse.quantile(_OUTLIERS), inverse.quantile(1 - _OUTLIERS)
    low = max(float(low) / _MARGIN, _FARTHEST * float(inverse.median()))
    return Seed(share[:, 0], share[:, 1], inverse.clamp(low, float(high) * _MARGIN), low, float(high) * _MARGIN)
