"""A folder of pictures that COLMAP itself can open: links to the photos, or upright 8-bit copies where needed.

recon does not read it; it makes `sparse/0` usable by COLMAP's own viewer and dense tools.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from recon.io.cache import fill_stage, is_ours
from recon.io.decode import open_photo
from recon.sfm.job import Shot

__all__ = ["provide_images"]

_ORIENTATION = 0x0112
_QUALITY = 95


def provide_images(shots: tuple[Shot, ...], folder: Path, key: str, threads: int) -> None:
    """Make `folder` hold a picture under each shot's name, unless it is somebody's: the photos themselves, perhaps."""

    def fill(part: Path) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(lambda shot: _provide(shot, part / shot.name), shots))

    if is_ours(folder):
        fill_stage(folder, key, fill)


def _provide(shot: Shot, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_plain(shot.path):
        try:
            path.symlink_to(shot.path.resolve())
        except OSError:  # a file system without links
            shutil.copyfile(shot.path, path)
        return
    picture = open_photo(shot.path).convert("RGB")
    kind = "PNG" if path.suffix.lower() == ".png" else "JPEG"  # COLMAP looks at the contents, not at the name
    picture.save(path, format=kind, quality=_QUALITY)


def _is_plain(path: Path) -> bool:
    """Is the file itself what recon sees of it: upright, 8 bits, gray or RGB, in a format that COLMAP knows?"""
    from PIL import Image

    with Image.open(path) as image:
        upright = image.getexif().get(_ORIENTATION, 1) in (0, 1)
        return (
            upright
            and image.mode in ("RGB", "L")
            and image.format in ("JPEG", "PNG")
            and not image.info.get("transparency")
        )
