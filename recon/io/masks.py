"""Which mask belongs to which photo, in COLMAP's naming: `masks/NAME.EXT.png` or `masks/NAME.png`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

__all__ = ["find_mask", "mask_folders"]


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
