"""Which mask belongs to which photo, in COLMAP's naming: `masks/NAME.EXT.png` or `masks/NAME.png`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from recon.errors import InputError
from recon.types import Reconstruction

__all__ = ["check_masks", "find_mask", "mask_folders", "with_masks"]


def mask_folders(photos: Path) -> tuple[Path, ...]:
    """Where masks of the photos in this folder may lie unless the user says: inside it, or beside it."""
    return tuple(folder for folder in (photos / "masks", photos.parent / "masks") if folder.is_dir())


def find_mask(name: str, folders: Iterable[Path]) -> Path | None:
    """The mask of the photo called `name`, from the first folder that has one."""
    for folder in folders:
        for candidate in (f"{name}.png", str(PurePosixPath(name).with_suffix(".png"))):
            if (folder / candidate).is_file():
                return folder / candidate
    return None


def check_masks(folder: Path) -> None:
    """Refuse a folder of masks that is none."""
    if not folder.is_dir():
        raise InputError(f"The mask folder {folder} does not exist.", advice="Pass a folder of PNG masks with --masks.")


def with_masks(reconstruction: Reconstruction, folder: Path) -> Reconstruction:
    """The same views with the masks of `folder` and no others: found by a view's name, else by its base name.

    Base names count only where no two views share one.
    """
    check_masks(folder)
    shared = Counter(PurePosixPath(view.name).name for view in reconstruction.views)

    def mask(name: str) -> Path | None:
        base = PurePosixPath(name).name
        return find_mask(name, (folder,)) or (find_mask(base, (folder,)) if shared[base] == 1 else None)

    views = tuple(replace(view, mask=mask(view.name)) for view in reconstruction.views)
    if all(view.mask is None for view in views):
        name = views[0].name if views else "NAME.jpg"
        raise InputError(f"No file in {folder} is named after a photo.", advice=f"Name masks like this: {name}.png")
    return replace(reconstruction, views=views)
