"""Meshes, clouds, depth maps and cameras out of whatever renders, read back by other programs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from ball import CENTRE, RADIUS, Ball, ball_scene
from PIL import Image

from recon.errors import InputError, RunError
from recon.export.clouds import export_cloud
from recon.export.colmap_folder import export_colmap
from recon.export.depths import export_depths
from recon.export.meshes import export_mesh
from recon.export.table import kind_of
from recon.export.work import Work
from recon.io.cloud import OrientedPoints, write_cloud
from recon.io.disk import whole
from recon.io.points import read_points
from recon.mesh.config import MeshConfig
from recon.mesh.files import read_shape

DOUBLED = np.diag([2.0, 2.0, 2.0, 1.0])
"""What `ball_scene` says of its input frame."""


def quiet(done: float, what: str) -> None:
    assert 0 <= done <= 1, what


def export(path: Path, config: MeshConfig, *, photos: bool = True):
    scene = ball_scene()
    return export_mesh(Ball(), scene, path, config=config, output_from_world=DOUBLED, photos=photos, progress=quiet)


@pytest.mark.parametrize("name", ["mesh.glb", "mesh.obj", "mesh.ply"])
def test_meshes_are_written_in_the_inputs_frame(tmp_path: Path, name):
    written = export(tmp_path / name, MeshConfig(faces=600, texture_size=256))
    radius = np.linalg.norm(read_shape(tmp_path / name).vertices - 2 * CENTRE.numpy(), axis=1)
    assert np.abs(np.median(radius) / (2 * RADIUS) - 1) < 0.02
    assert 100 < written.faces <= 600
    assert (written.texture is None) == name.endswith(".ply")
    assert written.psnr is None or written.psnr > 20
    assert not list(tmp_path.glob("*.part"))
    assert not list(tmp_path.glob("*.files"))


def test_without_photos_the_texture_is_what_the_model_shows(tmp_path: Path):
    written = export(tmp_path / "mesh.glb", MeshConfig(faces=300, texture_size=128), photos=False)
    assert written.texture is not None
    assert max(written.texture) <= 128
    assert written.psnr is None


def test_an_obj_names_its_material_and_picture(tmp_path: Path):
    export(tmp_path / "mesh.obj", MeshConfig(faces=300, texture_size=128))
    text = (tmp_path / "mesh.obj").read_text()
    material = text.split("mtllib ")[1].split()[0]
    picture = (tmp_path / material).read_text().split("map_Kd ")[1].split()[0]
    with Image.open(tmp_path / picture) as image:
        assert max(image.size) <= 128


def test_two_objs_in_a_folder_keep_their_own_pictures(tmp_path: Path):
    for name in ("first.obj", "my second.obj"):
        export(tmp_path / name, MeshConfig(faces=300, texture_size=128))
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".obj"} == {
        *("first.mtl", "first.png", "my_second.mtl", "my_second.png")
    }
    assert len(read_shape(tmp_path / "my second.obj").faces) > 0


@pytest.mark.parametrize("name", ["cloud.ply", "cloud.pcd"])
def test_clouds_have_positions_colours_and_normals(tmp_path: Path, name):
    import open3d as o3d

    path = tmp_path / name
    count = export_cloud(Ball(), ball_scene(), path, output_from_world=DOUBLED, progress=quiet)
    read = o3d.io.read_point_cloud(path)
    xyz, normals, rgb = (np.asarray(part) for part in (read.points, read.normals, read.colors))
    assert len(xyz) == len(normals) == len(rgb) == count > 300
    outward = (xyz - 2 * CENTRE.numpy()) / (2 * RADIUS)
    assert np.median(np.abs(np.linalg.norm(outward, axis=1) - 1)) < 0.02
    assert np.median((outward * normals).sum(axis=1)) > 0.95
    height = outward[:, 2]
    assert np.median(np.abs(rgb[:, 1] - (0.5 + 0.3 * height))) < 0.03


def test_clouds_far_from_the_origin_keep_their_digits(tmp_path: Path):
    xyz = np.array([[5e6, 4e5, 100.0], [5e6 + 0.01, 4e5 + 1, 101.0]])
    points = OrientedPoints(xyz, np.array([[0, 0, 1.0], [0, 1.0, 0]]), np.array([[1, 2, 3], [4, 5, 6]], dtype=np.uint8))
    write_cloud(points, tmp_path / "far.ply", suffix=".ply")
    read = read_points(tmp_path / "far.ply")
    np.testing.assert_allclose(read.xyz.numpy(), xyz, rtol=0, atol=1e-6)
    assert read.rgb.tolist() == [[1, 2, 3], [4, 5, 6]]


def test_depth_pictures_times_their_unit_are_the_depth(tmp_path: Path):
    scene = ball_scene(views=3)
    assert export_depths(Ball(), scene, tmp_path / "depth", scale=2.0, progress=quiet) == 3
    unit = json.loads((tmp_path / "depth" / "depth.json").read_text())["unit"]
    expected = Ball().render(scene.cameras[1]).depth
    assert expected is not None
    with Image.open(tmp_path / "depth" / "ball_01.png") as image:
        depth = np.asarray(image).astype(np.float64) * unit
    seen = depth > 0
    assert seen.mean() > 0.1
    np.testing.assert_allclose(depth[seen], 2 * expected.numpy()[seen], atol=unit)


@pytest.mark.parametrize("name", ["depth", "colmap"])
def test_folders_that_are_there_stay_as_they_are(tmp_path: Path, name: str) -> None:
    """A COLMAP project of somebody's own has `sparse` and their only photos in it."""
    mine = tmp_path / name / "sparse" / "0"
    mine.mkdir(parents=True)
    (mine / "cameras.bin").write_text("mine")
    work = Work(Ball(), ball_scene(views=3))
    with pytest.raises(InputError, match="is there already"):
        kind_of(tmp_path / name).write(work, tmp_path / name, quiet)
    assert (mine / "cameras.bin").read_text() == "mine"
    with pytest.raises(RunError), whole(tmp_path / name) as unfinished:
        unfinished.mkdir()
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["cameras.bin"]
    assert sorted(file.name for file in tmp_path.iterdir()) == [name]


def test_depth_in_one_file_is_exact(tmp_path: Path):
    scene = ball_scene(views=3)
    export_depths(Ball(), scene, tmp_path / "depth.npz", scale=1.0, progress=quiet)
    with np.load(tmp_path / "depth.npz") as maps:
        assert sorted(maps.files) == list(scene.names)
        assert maps["ball_00.png"].dtype == np.float32


def test_colmap_reads_the_cameras_that_were_trained_with(tmp_path: Path):
    import pycolmap

    scene = ball_scene(views=4)
    moved = DOUBLED.copy()
    moved[:3, 3] = [10, 20, 30]
    export_colmap(scene, tmp_path / "colmap", output_from_world=moved, photos=True, progress=quiet)
    model = pycolmap.Reconstruction(tmp_path / "colmap" / "sparse" / "0")
    assert model.num_images() == 4
    assert len(model.points3D) == 1
    image = next(image for image in model.images.values() if image.name == "ball_02.png")
    expected = 2 * scene.cameras[2].position.double().numpy() + [10, 20, 30]
    np.testing.assert_allclose(image.projection_center(), expected, atol=1e-5)
    assert image.camera.focal_length_x == pytest.approx(float(scene.cameras.focal[2, 0]))
    with Image.open(tmp_path / "colmap" / "images" / "ball_02.png") as picture:
        assert picture.size == (96, 96)


def test_left_handed_frames_are_no_colmap_models(tmp_path: Path):
    mirrored = np.diag([1.0, 1, -1, 1])
    with pytest.raises(InputError, match="left-handed"):
        export_colmap(ball_scene(3), tmp_path / "colmap", output_from_world=mirrored, photos=False, progress=quiet)
    assert not (tmp_path / "colmap").exists()


def test_an_interrupted_export_leaves_nothing_behind(tmp_path: Path):
    def stop(done: float, what: str) -> None:
        if done > 0.9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_depths(Ball(), ball_scene(views=20), tmp_path / "depth", scale=1.0, progress=stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["ball_mesh.glb", "surface.ply", "cloud.ply", "points.pcd", "depth", "depth.npz", "colmap"]
)
def test_the_name_of_a_file_says_what_it_becomes(tmp_path: Path, name):
    kind = kind_of(tmp_path / name)
    work = Work(model=Ball(), scene=ball_scene(), has_photos=True, mesh=MeshConfig(faces=300, texture_size=128))
    written = kind.write(work, tmp_path / name, quiet)
    assert (tmp_path / name).exists()
    assert written.facts["frame"] == "input"
    assert len(written.says) > 5
    json.dumps(written.facts, allow_nan=False)
