"""From verified pairs to cameras and points, by COLMAP's incremental and global mappers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pycolmap

__all__ = ["map_globally", "map_incrementally", "refine", "start_lens"]

_SMALLEST_MODEL = 3
_FEW_PHOTOS, _MANY_PHOTOS = 8, 20
_START_ANGLE, _CAREFUL_ANGLE = 8.0, 3.0
"""Degrees between the first two photos' rays, at least. COLMAP's own 16 starts from pairs with few matches."""
_OBLONG = 0.005
"""Lenses of phones and cameras have square pixels within a thousandth."""


def map_incrementally(
    database: Path, *, careful: bool, hold_focal: bool, seed: int, threads: int, registered: Callable[[int], None]
) -> list[pycolmap.Reconstruction]:
    """Models, one photo after another; `registered` hears how many have their place.

    `careful` is for what finds no start otherwise, like a walk straight ahead: two photos that see little depth may
    start, and the lens has no distortion until `refine`, because a few photos bend it to anything. `hold_focal` keeps
    the focal length as well.
    """
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = threads
    options.random_seed = seed
    options.min_model_size = _SMALLEST_MODEL
    options.max_num_models = 5
    options.mapper.init_min_tri_angle = _CAREFUL_ANGLE if careful else _START_ANGLE
    if careful:
        options.mapper.init_max_forward_motion = 1.0
        options.ba_refine_extra_params = options.mapper.abs_pose_refine_extra_params = False
        options.ba_refine_focal_length = options.mapper.abs_pose_refine_focal_length = not hold_focal
    options.extract_colors = False
    # Bundle adjustment on the way only has to keep up, `refine` finishes it: a third of the time, same result (fox).
    options.ba_global_frames_ratio = options.ba_global_points_ratio = 1.4
    options.ba_global_max_num_iterations = 10
    options.ba_global_max_refinements = options.ba_local_max_refinements = 1
    options.ba_local_max_num_iterations = 8
    options.ba_global_function_tolerance = options.ba_local_function_tolerance = 1e-4
    count = 2

    def begin() -> None:
        nonlocal count
        count = 2
        registered(count)

    def advance() -> None:
        nonlocal count
        count += 1
        registered(count)

    with tempfile.TemporaryDirectory() as folder:
        models = pycolmap.incremental_mapping(
            database, folder, folder, options, initial_image_pair_callback=begin, next_image_callback=advance
        )
    return list(models.values())


def map_globally(database: Path, *, seed: int, threads: int) -> list[pycolmap.Reconstruction]:
    """Models with all photos placed at once: slower to start, but with no first pair to get wrong."""
    import pycolmap

    options = pycolmap.GlobalPipelineOptions()
    options.num_threads = threads
    options.random_seed = seed
    options.min_model_size = _SMALLEST_MODEL
    with tempfile.TemporaryDirectory() as folder:
        return list(pycolmap.global_mapping(database, folder, folder, options).values())


def refine(model: pycolmap.Reconstruction, *, lens: str, threads: int) -> pycolmap.Reconstruction:
    """A last bundle adjustment over everything, robust against what outliers are left.

    With `lens` "auto", many photos get the OPENCV lens, unless that makes their pixels oblong: then it fits errors.
    """
    _adjust(model, threads)
    if lens != "auto" or model.num_reg_images() < _MANY_PHOTOS:
        return model
    richer = copy(model)
    for camera in richer.cameras.values():
        focal, *center, k1, k2 = camera.params
        camera.model = "OPENCV"
        camera.params = [focal, focal, *center, k1, k2, 0.0, 0.0]
    _adjust(richer, threads)
    square = all(abs(c.focal_length_x / c.focal_length_y - 1) < _OBLONG for c in richer.cameras.values())
    return richer if square else model


def start_lens(lens: str, photos: int) -> str:
    """The camera model to map with, in COLMAP's names. Few photos cannot tell kinds of distortion apart."""
    if lens != "auto":
        return lens
    return "RADIAL" if photos >= _FEW_PHOTOS else "SIMPLE_RADIAL"


def _adjust(model: pycolmap.Reconstruction, threads: int) -> None:
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.solver_options.num_threads = threads
    options.ceres.solver_options.max_num_iterations = 100
    options.ceres.solver_options.function_tolerance = 1e-5
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()
