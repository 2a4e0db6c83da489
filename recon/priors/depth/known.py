"""A source's answers for some views of a scene, in the scene's units."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from recon.errors import InputError
from recon.priors.alignment import aligned
from recon.priors.protocols import DepthPrior, Progress
from recon.sparse import sparse_depth
from recon.types import DepthMap, Scene

__all__ = ["known_depths"]


def known_depths(
    prior: DepthPrior, scene: Scene, views: Sequence[int], progress: Progress
) -> Iterator[DepthMap | InputError]:
    """A map for each view, aligned to the scene's points; the error of those that cannot be, as a value."""
    for view, map in zip(views, prior.predict(scene, views, progress), strict=True):
        try:
            _require_known(map, scene.names[view])
            yield aligned(map, sparse_depth(scene.points, scene.cameras[view]), name=scene.names[view])
        except InputError as error:
            yield error


def _require_known(map: DepthMap, name: str) -> None:
    if not bool(map.known.any()):
        raise InputError(f"Nothing is known of the depth of {name}.", advice="It is left out.")
