"""From verified pairs to cameras and points, by COLMAP's incremental and global mappers."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pycolmap

__all__ = ["map_globally", "map_incrementally", "refine"]

_SMALLEST_MODEL = 3


def map_incrementally(
    database: Path, *, start_angle: float | None, seed: int, threads: int, registered: Callable[[int], None]
) -> list[pycolmap.Reconstruction]:
    """Models, one photo after another. `start_angle`: degrees between the first two photos' rays, at least."""
    import pycolmap

    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = threads
    options.random_seed = seed
    options.min_model_size = _SMALLEST_MODEL
    options.max_num_models = 5
    options.extract_colors = False
    if start_angle is not None:
        options.mapper.init_min_tri_angle = start_angle
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


def refine(model: pycolmap.Reconstruction, *, threads: int) -> None:
    """A last bundle adjustment over everything, robust against what outliers are left."""
    import pycolmap

    options = pycolmap.BundleAdjustmentOptions()
    options.print_summary = False
    options.ceres.solver_options.num_threads = threads
    options.ceres.solver_options.max_num_iterations = 100
    options.ceres.solver_options.function_tolerance = 1e-5
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    pycolmap.bundle_adjustment(model, options)
    model.update_point_3d_errors()
