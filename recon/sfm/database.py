"""COLMAP's database, as COLMAP would have written it: cameras, images, features, matches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recon.sfm.features import Features
from recon.sfm.job import Known, Shot

if TYPE_CHECKING:
    import pycolmap

    from recon.sfm.matching import Verified

__all__ = ["known_camera", "make_cameras", "write_database"]

_FOCAL_GUESS = 1.2
"""Of the longest side, where EXIF does not say. COLMAP's."""


def make_cameras(shots: tuple[Shot, ...], model: str) -> dict[int, pycolmap.Camera]:
    """One camera per `Shot.camera`: the known one, or a `model` at the focal length that EXIF gives or a guess."""
    import pycolmap

    cameras: dict[int, pycolmap.Camera] = {}
    for shot in shots:
        if shot.camera in cameras:
            continue
        if shot.known is not None:
            cameras[shot.camera] = known_camera(shot, shot.known)
            continue
        focal = shot.focal or _FOCAL_GUESS * max(shot.width, shot.height)
        camera = pycolmap.Camera.create_from_model_name(shot.camera, model, focal, shot.width, shot.height)
        camera.has_prior_focal_length = shot.focal is not None
        cameras[shot.camera] = camera
    return cameras


def known_camera(shot: Shot, known: Known) -> pycolmap.Camera:
    import pycolmap

    return pycolmap.Camera(
        camera_id=shot.camera,
        model=known.model,
        width=shot.width,
        height=shot.height,
        params=list(known.params),
        has_prior_focal_length=True,
    )


def write_database(
    path: Path,
    shots: tuple[Shot, ...],
    cameras: dict[int, pycolmap.Camera],
    features: list[Features],
    verified: list[Verified],
) -> None:
    """Image ids count from 1 in the order of `shots`; each camera is a rig of its own, each image a frame."""
    import pycolmap

    database = pycolmap.Database.open(path)
    try:
        for number, camera in cameras.items():
            database.write_camera(camera, use_camera_id=True)
            rig = pycolmap.Rig(rig_id=number)
            rig.add_ref_sensor(camera.sensor_id)
            database.write_rig(rig, use_rig_id=True)
        for number, (shot, one) in enumerate(zip(shots, features, strict=True), start=1):
            image = pycolmap.Image(image_id=number, name=shot.name, camera_id=shot.camera)
            database.write_image(image, use_image_id=True)
            frame = pycolmap.Frame(frame_id=number, rig_id=shot.camera)
            frame.add_data_id(image.data_id)
            database.write_frame(frame, use_frame_id=True)
            database.write_keypoints(number, one.keypoints)
            kind = pycolmap.FeatureExtractorType.SIFT
            descriptors = pycolmap.FeatureDescriptors(data=one.descriptors, type=kind)
            database.write_descriptors(number, descriptors)
        for match in verified:
            i, j = (index + 1 for index in match.pair)
            database.write_matches(i, j, np.asarray(match.geometry.inlier_matches))
            database.write_two_view_geometry(i, j, match.geometry)
    finally:
        database.close()
