"""Meshes from depth that photos tell, where the model's own is worse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ball import CENTRE, RADIUS, Ball, ball_scene
from command_line import Said

from recon.mesh.config import MeshConfig
from recon.mesh.making import make_mesh
from recon.mesh.telling import told
from recon.mesh.views import DepthView, depth_views
from recon.types import Cameras, DepthMap, Render, Scene


class Swollen(Ball):
    """A ball that is drawn 3 % too near."""

    def render(self, cameras: Cameras, pixels: torch.Tensor | None = None) -> Render:
        right = super().render(cameras, pixels)
        assert right.depth is not None
        return replace(right, depth=0.97 * right.depth)


def quiet(done: float, what: str) -> None:
    assert 0 <= done <= 1, what


def ball_depth(camera: Cameras) -> DepthMap:
    depth = Ball().render(camera).depth
    assert depth is not None
    inverse = torch.where(depth > 0, 1 / depth.clamp(min=1e-6), 0)
    return DepthMap(inverse, (depth > 0).float(), "scene")


def off_the_ball(scene: Scene) -> float:
    """Median distance of the mesh of a swollen ball from the true one."""
    mesh = make_mesh(Swollen(), scene, MeshConfig(faces=3000), progress=quiet)
    return float(np.median(np.abs(np.linalg.norm(mesh.vertices - CENTRE.numpy(), axis=1) - RADIUS)))


def test_what_photos_tell_counts_more_than_the_model() -> None:
    scene = ball_scene()
    known = {index: ball_depth(scene.cameras[index]) for index in scene.train}
    assert off_the_ball(scene) > 0.03  # two units away
    assert off_the_ball(replace(scene, depths=known)) < 0.005


@pytest.fixture
def view() -> DepthView:
    return depth_views(Swollen(), ball_scene().cameras[[0]], progress=quiet)[0]


def test_where_photos_tell_nothing_the_model_does(view: DepthView) -> None:
    known = ball_depth(view.camera)
    half = replace(known, confidence=known.confidence * (torch.arange(96) < 48))
    mixed = told(view, half, None)
    assert torch.equal(mixed.depth[:, 48:], view.depth[:, 48:])
    assert torch.equal(mixed.normal[:, 48:], view.normal[:, 48:])
    assert torch.allclose(mixed.depth[48, 40:48], view.depth[48, 40:48] / 0.97, rtol=1e-4)


def test_what_a_photo_cuts_out_has_no_depth_from_it(view: DepthView) -> None:
    nothing = torch.zeros(view.depth.shape, dtype=torch.uint8)
    assert torch.equal(told(view, ball_depth(view.camera), nothing).depth, view.depth)


def test_photos_larger_than_the_views_are_told_at_the_views_size(view: DepthView) -> None:
    large = ball_depth(view.camera.resized(192))
    found = told(view, large, None).depth
    assert found.shape == view.depth.shape
    assert abs(float(found[48, 48]) - float(view.depth[48, 48]) / 0.97) < 0.01


def test_export_asks_the_photos_unless_told_not_to(trained_run: Path, tmp_path: Path, capsys: Said) -> None:
    assert asks_the_photos(capsys, trained_run, tmp_path)
    assert not asks_the_photos(capsys, trained_run, tmp_path, "--mesh.depth", "model")


def asks_the_photos(capsys: Said, run: Path, folder: Path, *options: str) -> bool:
    """Whether an export has the stage of depth. The run is foggy: some meshes of it have no face, and are refused."""
    from recon.cli.main import main

    assert main(["export", str(run), "--to", str(folder / "mesh.ply"), *options]) in (0, 2)
    said = capsys.readouterr().err
    assert "mesh.ply: " in said or "no surface" in said
    return any(line.startswith("depth") for line in said.splitlines())


def test_quick_exports_do_not_wait_for_a_mesh(trained_run: Path, tmp_path: Path, capsys: Said) -> None:
    from recon.cli.main import main

    assert main(["export", str(trained_run), "--to", str(tmp_path / "mesh.ply"), str(tmp_path / "scene.spz")]) in (0, 2)
    said = capsys.readouterr().err
    assert said.index("scene.spz: ") < said.index("depth  ")
    assert (tmp_path / "scene.spz").is_file()
