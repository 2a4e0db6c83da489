"""Textures of meshes: laid out by the photos, baked from them, and right when looked at again."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ball import Ball, ball_scene

from recon.errors import InputError
from recon.likeness import psnr
from recon.mesh.baking import textured
from recon.mesh.charts import best_photos, lay_out, neighbours
from recon.mesh.config import MeshConfig
from recon.mesh.files import read_shape, write_mesh
from recon.mesh.making import make_mesh
from recon.mesh.mesh import Mesh
from recon.mesh.photographed import photographed
from recon.mesh.sight import MeshRenderer, sampled
from recon.types import Picture


def quiet(done: float, what: str) -> None:
    assert 0 <= done <= 1, what


@pytest.fixture(scope="module")
def ball() -> Mesh:
    """Gray: every colour that shows is the texture's."""
    mesh = make_mesh(Ball(), ball_scene(), MeshConfig(faces=800, voxel=0.04), progress=quiet)
    return Mesh(mesh.vertices, mesh.faces, np.full_like(mesh.rgb, 128))


@pytest.fixture(scope="module")
def dressed(ball: Mesh) -> Mesh:
    scene = ball_scene()
    return textured(ball, scene.cameras, lambda index: scene.images[index], largest=1024, progress=quiet)


def test_a_textured_mesh_looks_like_the_photos(dressed):
    scene = ball_scene()
    scores = []
    for index in range(len(scene)):
        render = MeshRenderer(dressed).render(scene.cameras[index])
        scores.append(psnr(render.rgb, scene.images[index].rgb.float() / 255, render.alpha))
    assert np.mean(scores) > 26  # 800 flat faces, 96 pixels: the rest is the outline's steps and stripes a pixel wide
    assert min(scores) > 23


def test_every_face_has_its_own_place_on_the_sheet(ball):
    shown = photographed(ball, ball_scene().cameras, progress=quiet)
    layout = lay_out(ball, best_photos(ball, shown), shown, largest=1024)
    assert layout.corners.min() >= 0
    assert layout.corners[..., 0].max() <= layout.width <= 1024
    assert layout.corners[..., 1].max() <= layout.height <= 1024
    low = np.full((layout.chart.max() + 1, 2), np.inf)
    high = -low
    for corner in range(3):
        np.minimum.at(low, layout.chart, layout.corners[:, corner])
        np.maximum.at(high, layout.chart, layout.corners[:, corner])
    for a in range(len(low)):
        apart = (low >= high[a]).any(axis=1) | (high <= low[a]).any(axis=1)
        assert apart.sum() == len(low) - 1


def test_a_sheet_too_small_makes_all_charts_smaller(ball):
    shown = photographed(ball, ball_scene().cameras, progress=quiet)
    layout = lay_out(ball, best_photos(ball, shown), shown, largest=64)
    assert layout.width <= 64
    assert layout.height <= 64


@pytest.mark.parametrize("largest", [128, 64, 32])
def test_more_charts_than_fit_with_gaps_fit_without(ball, largest):
    unseen = np.full(len(ball), -1)  # then every face is a chart of its own, hundreds of them
    layout = lay_out(ball, unseen, photographed(ball, ball_scene().cameras, progress=quiet), largest=largest)
    assert max(layout.width, layout.height) <= largest


def test_more_charts_than_texels_are_refused_with_what_helps(ball):
    unseen = np.full(len(ball), -1)
    with pytest.raises(InputError, match=rf"{len(ball)} pieces, more than a texture of 16 pixels") as caught:
        lay_out(ball, unseen, photographed(ball, ball_scene().cameras, progress=quiet), largest=16)
    assert "--mesh.texture-size" in caught.value.advice


def test_most_faces_lie_in_few_charts(ball):
    shown = photographed(ball, ball_scene().cameras, progress=quiet)
    photo = best_photos(ball, shown)
    sizes = np.sort(np.bincount(lay_out(ball, photo, shown, largest=1024).chart))[::-1]
    assert sizes[:20].sum() > 0.8 * len(ball)
    assert (photo >= 0).mean() > 0.8


def test_what_no_photo_shows_keeps_the_colours_of_its_vertices(ball):
    scene = ball_scene()
    front = textured(ball, scene.cameras[:1], lambda index: scene.images[index], largest=512, progress=quiet)
    behind = MeshRenderer(front).render(scene.cameras[6])
    middle = behind.rgb[40:56, 40:56]
    assert float((middle - 128 / 255).abs().max()) < 0.02


def test_masked_pixels_do_not_reach_the_texture(ball):
    scene = ball_scene()

    def masked(index: int) -> Picture:
        picture = scene.images[index]
        return Picture(picture.rgb, picture.alpha, torch.zeros_like(picture.rgb[..., 0]))

    blank = textured(ball, scene.cameras, masked, largest=256, progress=quiet)
    assert blank.texture is not None
    assert np.abs(blank.texture.image.astype(int) - 128).max() <= 1


def test_neighbours_share_an_edge():
    faces = np.array([[0, 1, 2], [2, 1, 3], [3, 1, 4], [1, 2, 5]])
    across = neighbours(faces)
    assert across[0, 1] == 1  # the edge 1-2 has three faces: two of them are neighbours
    assert across[1].tolist() == [0, 2, -1]
    assert across[3].tolist() == [-1, -1, -1]


def test_sampling_between_pixels_is_linear():
    image = np.array([[0, 10], [20, 30]], dtype=np.uint8)[..., None]
    x, y = np.array([0.5, 1.0, 1.5, 9.0]), np.array([0.5, 1.0, 0.5, 9.0])
    assert sampled(image, x, y)[:, 0].tolist() == [0, 15, 10, 30]


@pytest.mark.parametrize("suffix", [".glb", ".obj"])
def test_textures_survive_their_file(dressed, tmp_path: Path, suffix):
    import trimesh

    path = tmp_path / f"mesh{suffix}"
    written = write_mesh(dressed, path, suffix=suffix, up=np.array([0.0, 0.0, 1.0]))
    assert all(file.stat().st_size > 0 for file in written)
    read = read_shape(path)
    np.testing.assert_allclose(read.vertices[read.faces], dressed.vertices[dressed.faces], atol=1e-4)
    shown: Any = trimesh.load_scene(path).to_geometry()
    material = shown.visual.material
    image = material.baseColorTexture if suffix == ".glb" else material.image
    np.testing.assert_array_equal(np.asarray(image.convert("RGB")), dressed.texture.image)
    places = np.asarray(shown.visual.uv)[shown.faces]
    np.testing.assert_allclose(places, dressed.texture.uv[dressed.texture.corners], atol=1e-4)


def test_the_khronos_validator_finds_no_error(dressed, tmp_path: Path):
    validator = _gltf_validator(tmp_path)
    path = tmp_path / "mesh.glb"
    write_mesh(dressed, path, suffix=".glb", up=np.array([0.0, 0.0, 1.0]))
    script = (
        f"const v = require({json.dumps(str(validator))}); const fs = require('fs');"
        f"v.validateBytes(new Uint8Array(fs.readFileSync({json.dumps(str(path))})))"
        ".then(r => console.log(JSON.stringify(r.issues)));"
    )
    answer = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=120)
    issues = json.loads(answer.stdout)
    assert issues["numErrors"] == 0, issues["messages"]
    assert issues["numWarnings"] == 0, issues["messages"]


def _gltf_validator(folder: Path) -> Path:
    """The package's folder, fetched by npm where it is not there yet; the test is skipped where that cannot be."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no node and npm")
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), "gltf-validator@2.0.0-dev.3.10"]
    try:
        subprocess.run(command, capture_output=True, check=True, timeout=90)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        pytest.skip("npm has no gltf-validator here")
    return folder / "node_modules" / "gltf-validator"
