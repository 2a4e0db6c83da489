"""Photos and masks of a run that lie elsewhere now."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path, PurePosixPath

from recon.io.masks import find_mask, mask_folders
from recon.types import Reconstruction, View

__all__ = ["missing_masks", "missing_photos", "with_photos_in"]


def with_photos_in(reconstruction: Reconstruction, folder: Path | None, masks: Path | None = None) -> Reconstruction:
    """The same views with their photos looked for in another folder: under their names, else under base names.

    Views that had a mask have that of `masks`. Else the one where it was, as far from its photo as it was, or inside or
    beside `folder`, whichever is there.
    Base names count only where no two views share one. Without a `folder` the photos are where they were.
    """
    shared = Counter(PurePosixPath(view.name).name for view in reconstruction.views)

    def names(view: View) -> tuple[str, ...]:
        base = PurePosixPath(view.name).name
        return (view.name, base) if shared[base] == 1 else (view.name,)

    def photo(view: View) -> Path:
        if folder is None:
            return view.path
        found = [folder / name for name in names(view) if (folder / name).is_file()]
        return found[0] if found else folder / view.name

    def mask(view: View, path: Path) -> Path | None:
        if view.mask is None or (masks is None and (folder is None or view.mask.is_file())):
            return view.mask
        moved_along = path.parent / os.path.relpath(view.mask, view.path.parent)
        if masks is None and moved_along.is_file():
            return moved_along
        places = (masks,) if masks is not None else mask_folders(folder or path.parent)
        found = [file for name in names(view) if (file := find_mask(name, places)) is not None]
        return found[0] if found else view.mask if masks is None else masks / f"{view.name}.png"

    def moved(view: View) -> View:
        path = photo(view)
        return replace(view, path=path, mask=mask(view, path))

    return replace(reconstruction, views=tuple(moved(view) for view in reconstruction.views))


def missing_photos(reconstruction: Reconstruction) -> tuple[str, ...]:
    """Names of the photos that are no longer where they were."""
    return tuple(view.name for view in reconstruction.views if not view.path.is_file())


def missing_masks(reconstruction: Reconstruction) -> tuple[str, ...]:
    """The masks that are no longer where they were."""
    return tuple(str(view.mask) for view in reconstruction.views if view.mask is not None and not view.mask.is_file())
