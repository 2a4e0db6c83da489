"""A folder of photos, as people have them, to a `Capture`: what can be used, and what not and why."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from recon.errors import InputError
from recon.io.decode import PhotoFile, inspect_photo, open_photo
from recon.io.exif import camera_key, focal_in_pixels
from recon.io.masks import check_masks, find_mask, mask_folders
from recon.io.order import in_order, natural_key
from recon.types import Capture, LeftOut, Photo

__all__ = ["inspect_all", "open_photo", "read_capture", "reason_of"]

_PHOTOS = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif"}
_PHOTOS |= {".heic", ".heif", ".mpo"}
_RAW = {".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw"}
_VIDEO = {".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".insv", ".3gp"}
_JUNK_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "masks", "sparse"}
_PASS = "Pass the folder that holds the photos (JPEG, PNG, WebP, TIFF, BMP or HEIC)."
_INSTEAD = {".json": "Pass the folder that holds it and the photos.", ".zip": "Unpack it and pass the folder."}
_INSTEAD |= {".r3d": 'Share the recording from Record3D as "EXR + RGB" and pass that folder.'}
_FRAMES = "mkdir frames; ffmpeg -i {name} -vf fps=2 -q:v 2 frames/%04d.jpg"
_INSTEAD |= dict.fromkeys(_VIDEO, f"Save two frames of each second in a folder, and pass that: {_FRAMES}")


def read_capture(folder: Path, *, masks: Path | None = None) -> Capture:
    """Every readable photo in `folder` and below, and the names of those that are not, with reasons.

    A folder without photos of its own but with a folder `images` stands for that one. Masks come from `masks`, or
    from a folder of that name inside or beside the photos.
    """
    folder = _photo_folder(folder)
    left_out: list[LeftOut] = []
    names = sorted(_photo_names(folder, masks, left_out), key=natural_key)
    files = inspect_all([folder / name for name in names])
    photos, thumbnails = [], []
    for name, file in zip(names, files, strict=True):
        if isinstance(file, InputError):
            left_out.append(LeftOut(name, reason_of(file, folder / name)))
        else:
            photos.append(_photo(folder, name, file))
            thumbnails.append(file.thumbnail)
    if len(photos) == 0:
        raise _nothing(folder, left_out)
    ordered = len({photo.camera for photo in photos}) == 1 and in_order([p.name for p in photos], thumbnails)
    photos = _with_masks(photos, folder, masks, left_out)
    return Capture(folder, tuple(photos), tuple(left_out), ordered)


def inspect_all(paths: list[Path]) -> list[PhotoFile | InputError]:
    """`inspect_photo` of each, errors as values, on all cores: decoding releases Python's lock."""

    def inspect(path: Path) -> PhotoFile | InputError:
        try:
            return inspect_photo(path)
        except InputError as error:
            return error

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(inspect, paths))


def reason_of(error: InputError, path: Path) -> str:
    """The error's sentence without the path in front, to stand behind the file's name in a list."""
    return f"{error.message.removeprefix(str(path)).strip().rstrip('.')}. {error.advice}".strip()


def _photo_folder(folder: Path) -> Path:
    if not folder.exists():
        raise InputError(f"{folder} does not exist.", advice=_PASS)
    if not folder.is_dir():
        advice = _INSTEAD.get(folder.suffix.lower(), _PASS).replace("{name}", shlex.quote(str(folder)))
        raise InputError(f"{folder} is a file, not a folder.", advice=advice)
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder} may not be read ({error.strerror}).", advice="Check its permissions.") from error
    if len(inside) == 0:
        raise InputError(f"{folder} is empty.", advice=_PASS)
    own = any(path.suffix.lower() in _PHOTOS and not _is_junk(path.name) for path in inside if path.is_file())
    images = [path for path in inside if path.name.lower() == "images" and path.is_dir()]
    return images[0] if len(images) == 1 and not own else folder


def _photo_names(folder: Path, masks: Path | None, left_out: list[LeftOut]) -> Iterator[str]:
    """Names of files that should be photos, below `folder`; files that somebody may have meant go to `left_out`."""
    for where, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if _is_wanted(Path(where) / name, folders, masks)]
        for file in files:
            name, suffix = (Path(where) / file).relative_to(folder).as_posix(), Path(file).suffix.lower()
            if _is_junk(file):
                continue
            if suffix in _PHOTOS | _RAW | _VIDEO and not name.isprintable():
                left_out.append(LeftOut(ascii(name), "has unprintable characters in its name. Rename it."))
            elif suffix in _RAW:
                left_out.append(LeftOut(name, "is a camera's raw file. Develop it to JPEG or PNG."))
            elif suffix in _VIDEO:
                left_out.append(LeftOut(name, "is a video, not a photo. Save its frames as images."))
            elif suffix in _PHOTOS:
                yield name


def _is_wanted(path: Path, siblings: list[str], masks: Path | None) -> bool:
    if path.name.lower() in _JUNK_FOLDERS or path.name.startswith(".") or (masks is not None and path == masks):
        return False
    original, _, factor = path.name.rpartition("_")  # images_4 holds the photos of images, reduced
    return not (factor in ("2", "4", "8") and original in siblings)


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in ("thumbs.db", "desktop.ini")


def _photo(folder: Path, name: str, file: PhotoFile) -> Photo:
    width, height = file.upright_size
    focal = focal_in_pixels(file.exif, file.stored_size)
    camera = camera_key(file.exif, file.upright_size)
    return Photo(name, folder / name, width, height, focal=focal, camera=camera, has_alpha=file.has_alpha)


def _with_masks(photos: list[Photo], folder: Path, masks: Path | None, left_out: list[LeftOut]) -> list[Photo]:
    if masks is not None:
        check_masks(masks)
    folders = mask_folders(folder) if masks is None else (masks,)
    paths = [find_mask(photo.name, folders) for photo in photos]
    found = [path for path in paths if path is not None]
    if masks is not None and len(found) == 0:
        raise InputError(
            f"No file in {masks} is named after a photo.", advice=f"Name masks like this: {photos[0].name}.png"
        )
    files = dict(zip(found, inspect_all(found), strict=True))
    result = []
    for photo, path in zip(photos, paths, strict=True):
        file = None if path is None else files[path]
        if path is None or file is None:
            pass
        elif isinstance(file, InputError):
            left_out.append(LeftOut(f"{path.parent.name}/{path.name}", f"(a mask) {reason_of(file, path)}"))
        elif not _same_shape(file, photo):
            left_out.append(LeftOut(f"{path.parent.name}/{path.name}", "is a mask of another shape than its photo."))
        else:
            photo = replace(photo, mask=path)
        result.append(photo)
    return result


def _same_shape(file: PhotoFile, photo: Photo) -> bool:
    width, height = file.upright_size
    return abs(width * photo.height / (height * photo.width) - 1) < 0.02


def _nothing(folder: Path, left_out: list[LeftOut]) -> InputError:
    if len(left_out) == 0:
        return InputError(f"{folder} has no photos.", advice=_PASS)
    listed = "; ".join(f"{file.name} {file.reason}" for file in left_out[:5])
    return InputError(f"{folder} has no readable photo: {listed}", advice=_PASS)
