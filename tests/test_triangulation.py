"""Photos whose poses are known get points that lie on what they show. Real COLMAP, on a few demo photos."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon.datasets import demo_capture, demo_truth
from recon.geometry import transform_points
from recon.io.colmap import read_colmap
from recon.io.masks import with_masks
from recon.sfm.config import PosesConfig
from recon.sfm.points import triangulate_photos
from recon.types import Lens, Points, Reconstruction, View

SIZE = 400
AROUND = 6


@pytest.fixture(scope="module")
def given() -> Reconstruction:
    """Photos of which the first has a true depth map, with their true cameras and no points."""
    truth = json.loads((demo_truth() / "poses.json").read_text())
    first = sorted(np.load(demo_truth() / "depth.npz").files)[0]
    names = sorted(truth["cam_from_world"])
    start = names.index(next(name for name in names if name.startswith(first)))
    (cx, cy), focal = truth["center"], truth["focal"]
    lens = Lens("PINHOLE", SIZE, SIZE, (focal, focal, cx, cy))
    views = [
        View(name, demo_capture() / name, lens, np.array(truth["cam_from_world"][name]))
        for name in (names * 2)[start : start + AROUND]
    ]
    return Reconstruction(tuple(views), Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8)))


@pytest.fixture(scope="module")
def found(given: Reconstruction, tmp_path_factory: pytest.TempPathFactory) -> Reconstruction:
    return triangulate_photos(given, PosesConfig(), tmp_path_factory.mktemp("workspace"))


def test_points_lie_on_the_surfaces_that_photos_show(found: Reconstruction) -> None:
    depths = np.load(demo_truth() / "depth.npz")
    name = sorted(depths.files)[0]
    view = found.views[0]
    assert view.name.startswith(name)
    fx, fy, cx, cy = view.lens.params
    x, y, z = transform_points(view.cam_from_input, found.points.xyz.numpy().astype(np.float64)).T
    column, row = np.floor(x / z * fx + cx).astype(int), np.floor(y / z * fy + cy).astype(int)
    inside = (z > 0) & (column >= 0) & (column < SIZE) & (row >= 0) & (row < SIZE)
    true = depths[name].astype(np.float64)[row[inside], column[inside]]
    assert inside.sum() > 200
    assert np.median(np.abs(z[inside] / true - 1)) < 0.01


def test_given_poses_stay_as_they_are(given: Reconstruction, found: Reconstruction) -> None:
    assert found.views == given.views
    assert found.mean_reprojection_error is not None
    assert found.mean_reprojection_error < 1


def test_photos_held_out_by_the_data_set_take_no_part(given: Reconstruction, tmp_path: Path) -> None:
    views = tuple(replace(view, split="test" if i >= 3 else "train") for i, view in enumerate(given.views))
    found = triangulate_photos(replace(given, views=views), PosesConfig(), tmp_path)
    assert found.views == views
    used = read_colmap(tmp_path / "sparse" / "0", demo_capture())
    assert [view.name for view in used.views] == [view.name for view in views[:3]]


def test_masked_photos_give_no_points(given: Reconstruction, tmp_path: Path) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for view in given.views[3:]:
        Image.new("L", (SIZE, SIZE), 0).save(masks / f"{view.name}.png")
    all_points = triangulate_photos(replace(given, views=given.views[:3]), PosesConfig(), tmp_path / "three")
    unmasked = triangulate_photos(with_masks(given, masks), PosesConfig(), tmp_path / "masked")
    assert len(unmasked.points) == len(all_points.points) > 50


def test_photos_that_show_nothing_give_no_points(given: Reconstruction, tmp_path: Path) -> None:
    blank = tmp_path / "blank.png"
    Image.new("RGB", (SIZE, SIZE), (90, 90, 90)).save(blank)
    views = tuple(replace(view, path=blank) for view in given.views)
    found = triangulate_photos(replace(given, views=views), PosesConfig(), tmp_path / "workspace")
    assert len(found.points) == 0
    assert found.views == views
