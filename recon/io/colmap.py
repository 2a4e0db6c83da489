"""COLMAP models to a `Reconstruction` and back. COLMAP's world is our input frame, its camera axes are ours."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np
import torch

from recon.errors import InputError
from recon.geometry import quaternion_from_rotation, rotation_from_quaternion, similarity
from recon.io.colmap_binary import read_binary, write_binary
from recon.io.colmap_model import ColmapImage, ColmapModel, ColmapPoints
from recon.io.colmap_text import read_text
from recon.io.decode import PhotoFile
from recon.io.lens import focal_and_center, scaled, turned
from recon.io.masks import find_mask, mask_folders
from recon.io.photos import inspect_all, reason_of
from recon.io.plausible import check_camera
from recon.types import LeftOut, Lens, Points, Reconstruction, View

__all__ = ["is_colmap", "read_colmap", "write_colmap"]

_TURNS = {1: 0, 6: 1, 3: 2, 8: 3}  # EXIF orientation: quarter turns clockwise that make the stored picture upright


def is_colmap(folder: Path) -> bool:
    return any(all((folder / f"{part}.{kind}").is_file() for part in ("cameras", "images")) for kind in ("bin", "txt"))


def read_colmap(model: Path, images: Path) -> Reconstruction:
    """The model in the folder `model` (binary preferred) with its photos, by name, from `images`.

    Photos may be smaller than those the model was made of: intrinsics are scaled. `test.txt` in the model names
    held-out photos. Photos that are missing or broken are left out. A model of unturned pixels is turned as EXIF says.
    """
    held = _read_model(model)
    if not images.is_dir():
        raise InputError(f"{images} is no folder of photos.", advice="Pass the photos' folder with --images.")
    test = _test_names(model)
    left_out, views = [], []
    paths = _find(images, [image.name for image in held.images])
    files = inspect_all([path or images / image.name for path, image in zip(paths, held.images, strict=True)])
    for image, path, file in zip(held.images, paths, files, strict=True):
        try:
            if path is None:
                raise InputError(f"is not in {images}.")
            split = None if len(test) == 0 else "test" if image.name in test else "train"
            mask = find_mask(image.name, mask_folders(images))
            lens, cam_from_input = _posed(image, held.cameras, file)
            name = image.name if _leads_inside(image.name) else path.relative_to(images).as_posix()
            views.append(View(name, path, lens, cam_from_input, split, mask))
        except InputError as error:
            left_out.append(LeftOut(image.name, reason_of(error, path or images)))
    if len(views) == 0:
        listed = "; ".join(f"{file.name} {file.reason}" for file in left_out[:3])
        raise InputError(
            f"None of the {len(held.images)} photos of {model} can be used: {listed}",
            advice="Pass the folder of the photos that the model was made of.",
        )
    tracks, errors = held.points.track_length, held.points.error
    return Reconstruction(
        tuple(views),
        _finite(held.points),
        tuple(left_out),
        mean_track_length=_mean(tracks[tracks > 0]),
        mean_reprojection_error=_mean(errors[errors >= 0]),
    )


def write_colmap(reconstruction: Reconstruction, folder: Path) -> None:
    """A binary model of the views and points, which COLMAP and its friends read."""
    folder.mkdir(parents=True, exist_ok=True)
    lenses = list(dict.fromkeys(view.lens for view in reconstruction.views))
    images = []
    for view in reconstruction.views:
        pose = view.cam_from_input
        quaternion = quaternion_from_rotation(pose[:3, :3].astype(np.float64))
        images.append(ColmapImage(view.name, lenses.index(view.lens) + 1, tuple(quaternion), tuple(pose[:3, 3])))
    points = reconstruction.points
    error = np.full(len(points), reconstruction.mean_reprojection_error or 0.0)
    xyz, rgb = points.xyz.numpy().astype(np.float64), points.rgb.numpy()
    held = ColmapPoints(xyz, rgb, error, np.zeros(len(points), dtype=np.int64))
    write_binary(folder, ColmapModel(dict(enumerate(lenses, 1)), tuple(images), held))


def _read_model(model: Path) -> ColmapModel:
    if not model.is_dir():
        raise InputError(f"{model} is no folder.", advice="Pass the folder that holds cameras.bin and images.bin.")
    for kind, read in (("bin", read_binary), ("txt", read_text)):
        if (model / f"cameras.{kind}").is_file() and (model / f"images.{kind}").is_file():
            held = read(model)
            if len(held.images) == 0:
                raise InputError(
                    f"{model} holds no posed photo.", advice="Pass another model, or let recon find poses."
                )
            return held
    raise InputError(f"{model} holds no COLMAP model.", advice="Pass the folder with cameras.bin and images.bin.")


def _find(images: Path, names: list[str]) -> list[Path | None]:
    """Files by name; else by the last part of the name, then by that without its extension, where that is unique."""
    by_name: dict[str, list[Path]] = {}
    found = []
    for name in names:
        if _leads_inside(name) and (images / name).is_file():
            found.append(images / name)
            continue
        if len(by_name) == 0:
            for path in images.rglob("*"):
                for key in {path.name, path.stem.lower()}:
                    by_name.setdefault(key, []).append(path)
        last = PurePosixPath(name.replace("\\", "/"))
        candidates = by_name.get(last.name) or by_name.get(last.stem.lower()) or []
        found.append(candidates[0] if len(candidates) == 1 else None)
    return found


def _leads_inside(name: str) -> bool:
    return ".." not in PurePosixPath(name).parts and not PurePosixPath(name).is_absolute()


def _posed(image: ColmapImage, cameras: dict[int, Lens], file: PhotoFile | InputError) -> tuple[Lens, np.ndarray]:
    """The lens at the size of the upright file, and the pose of the upright camera."""
    if isinstance(file, InputError):
        raise file
    if image.camera not in cameras:
        raise InputError(f"belongs to camera {image.camera}, which the model lacks.")
    lens, quaternion, translation = cameras[image.camera], np.array(image.quaternion), np.array(image.translation)
    finite = all(np.isfinite(values).all() for values in (quaternion, translation, np.array(lens.params)))
    if (
        not finite
        or np.linalg.norm(quaternion) < 1e-6
        or min(focal_and_center(lens)[0]) <= 0
        or lens.width * lens.height == 0
    ):
        raise InputError("has a pose or focal length that is not a number.")
    cam_from_input = similarity(1.0, rotation_from_quaternion(quaternion), translation)
    check_camera(lens, cam_from_input)
    try:
        return scaled(lens, file.upright_size), cam_from_input
    except InputError:
        turns = _TURNS.get(file.orientation, 0)
        if turns % 2 == 0:
            raise
    upright_from_stored = np.linalg.matrix_power(
        np.array([[0.0, -1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), turns
    )
    return turned(scaled(lens, file.stored_size), turns), upright_from_stored @ cam_from_input


def _finite(held: ColmapPoints) -> Points:
    finite = np.isfinite(held.xyz).all(axis=1)
    known = len(held.error) > 0 and bool((held.track_length > 0).all() and (held.error >= 0).all())
    error = torch.from_numpy(held.error[finite]).float() if known else None
    return Points(torch.from_numpy(held.xyz[finite]), torch.from_numpy(held.rgb[finite]), error)


def _mean(values: np.ndarray) -> float | None:
    return float(values.mean()) if len(values) > 0 and np.isfinite(values).all() else None


def _test_names(model: Path) -> set[str]:
    path = model / "test.txt"
    return set(path.read_text(encoding="utf-8").split("\n")) - {""} if path.is_file() else set()
