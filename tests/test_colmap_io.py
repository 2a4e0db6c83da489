"""COLMAP models: read whole, refused when damaged, written so that COLMAP reads them."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from recon.errors import InputError
from recon.geometry import look_at
from recon.io.colmap import read_colmap, write_colmap
from recon.io.lens import MODELS, pixels_of, scaled, turned
from recon.io.posed import find_posed
from recon.types import Lens, Points, Reconstruction, View


def lens(model: str) -> Lens:
    """Strongly distorted, 640 x 480."""
    known = {"f": 500.0, "fx": 500.0, "fy": 510.0, "cx": 321.0, "cy": 243.0, "omega": 0.8}
    drawn = np.random.default_rng(3).normal(size=16) * 0.02
    names = MODELS[model][1]
    return Lens(
        model, 640, 480, tuple(known.get(name, float(value)) for name, value in zip(names, drawn, strict=False))
    )


def directions() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.6, 0.6, (100, 2))


def small_model(folder: Path, photo_size: tuple[int, int] = (64, 48), exif: Image.Exif | None = None) -> Reconstruction:
    """Three photos in folder/images, and their reconstruction, written to folder/sparse/0."""
    (folder / "images" / "sub").mkdir(parents=True)
    names = ("a.png", "sub/b c.png", "ü.png")
    views = []
    for index, name in enumerate(names):
        noise = np.random.default_rng(index).integers(0, 255, (photo_size[1], photo_size[0], 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "images" / name, exif=exif or Image.Exif())
        pose = look_at(np.array([np.cos(index), np.sin(index), 0.4]), np.zeros(3), np.array([0.0, 0, 1]))
        camera = Lens("OPENCV", 64, 48, (60.0, 61.0, 31.0, 25.0, 0.01, 0.02, 0.001, -0.002))
        views.append(View(name, folder / "images" / name, camera, pose))
    points = Points(torch.rand(7, 3, dtype=torch.float64), torch.arange(21, dtype=torch.uint8).reshape(7, 3))
    made = Reconstruction(tuple(views), points)
    write_colmap(made, folder / "sparse" / "0")
    return made


def test_what_is_written_is_read_back(tmp_path):
    made = small_model(tmp_path)
    read = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")
    for before, after in zip(made.views, read.views, strict=True):
        assert (before.name, before.path, before.lens) == (after.name, after.path, after.lens)
        np.testing.assert_allclose(before.cam_from_input, after.cam_from_input, atol=1e-12)
    assert torch.equal(made.points.xyz, read.points.xyz)
    assert torch.equal(made.points.rgb, read.points.rgb)


def test_colmap_reads_what_we_write(tmp_path):
    pycolmap = pytest.importorskip("pycolmap")
    made = small_model(tmp_path)
    model = pycolmap.Reconstruction(str(tmp_path / "sparse" / "0"))
    images = {image.name: image for image in model.images.values()}
    for view in made.views:
        matrix = images[view.name].cam_from_world().matrix()
        np.testing.assert_allclose(matrix, view.cam_from_input[:3], atol=1e-12)
        assert tuple(images[view.name].camera.params) == view.lens.params
    assert len(model.points3D) == 7


@pytest.mark.parametrize("model", MODELS)
def test_lenses_project_as_colmap_does(model):
    pycolmap = pytest.importorskip("pycolmap")
    mine = lens(model)
    theirs = pycolmap.Camera(model=model, width=640, height=480, params=mine.params)
    assert int(theirs.model.value) == MODELS[model][0]
    rays = np.concatenate([directions(), np.ones((100, 1))], axis=1)
    np.testing.assert_allclose(pixels_of(mine, directions()), theirs.img_from_cam(rays), atol=1e-9)


@pytest.mark.parametrize("model", [model for model in MODELS if model != "THIN_PRISM_FISHEYE"])
def test_turning_a_lens_turns_its_picture(model):
    upright = pixels_of(lens(model), directions())
    clockwise = np.stack([-directions()[:, 1], directions()[:, 0]], axis=1)
    seen = pixels_of(turned(lens(model), 1), clockwise)
    np.testing.assert_allclose(seen, np.stack([480 - upright[:, 1], upright[:, 0]], axis=1), atol=1e-9)


def test_smaller_photos_scale_the_lens():
    half = scaled(lens("OPENCV"), (320, 240))
    np.testing.assert_allclose(pixels_of(half, directions()) * 2, pixels_of(lens("OPENCV"), directions()), atol=1e-9)
    with pytest.raises(InputError, match="320 x 320"):
        scaled(lens("OPENCV"), (320, 320))


@pytest.mark.parametrize("kind", ["bin", "txt"])
def test_a_real_model_fits_its_smaller_photos(data, kind):
    read = read_colmap(data / "importer" / f"colmap_sceaux_{kind}", data / "sceaux_castle" / "images")
    assert len(read.views) == 11
    assert len(read.points) == 7862
    assert (read.views[0].lens.width, read.views[0].lens.height) == (1300, 977)
    assert read.views[0].lens.params[0] == pytest.approx(2971.71 * 1300 / 2832, rel=1e-3)
    assert read.mean_track_length == pytest.approx(4.72, abs=0.01)


@pytest.mark.parametrize("part", ["cameras.bin", "images.bin", "points3D.bin"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.95])
def test_a_cut_model_is_an_error_with_the_files_name(tmp_path, part, share):
    small_model(tmp_path)
    path = tmp_path / "sparse" / "0" / part
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(InputError, match=part):
        read_colmap(path.parent, tmp_path / "images")


def test_random_bytes_are_no_model(tmp_path):
    small_model(tmp_path)
    for part in ("cameras.bin", "images.bin", "points3D.bin"):
        for seed in range(20):
            path = tmp_path / "sparse" / "0" / part
            whole = path.read_bytes()
            path.write_bytes(np.random.default_rng(seed).bytes(500))
            with pytest.raises(InputError):
                read_colmap(path.parent, tmp_path / "images")
            path.write_bytes(whole)


def test_a_truncated_real_model_is_an_error(data):
    with pytest.raises(InputError, match="points3D"):
        read_colmap(data / "importer" / "broken" / "colmap_truncated_points", data / "sceaux_castle" / "images")


@pytest.mark.parametrize(
    "line", ["1 PINHOLE 64", "1 PINHOLE 64 48 a b c d", "1 PINHOLE 64 48 1", "1 WEIRD 64 48 1 1 1"]
)
def test_nonsense_in_text_models_names_the_line(tmp_path, line):
    (tmp_path / "cameras.txt").write_text(f"# comment\n{line}\n")
    (tmp_path / "images.txt").write_text("1 1 0 0 0 0 0 0 1 a.png\n\n")
    with pytest.raises(InputError, match="line 2"):
        read_colmap(tmp_path, tmp_path)


def test_missing_and_broken_photos_are_left_out(tmp_path):
    small_model(tmp_path)
    (tmp_path / "images" / "a.png").unlink()
    (tmp_path / "images" / "ü.png").write_bytes(b"")
    read = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")
    assert [view.name for view in read.views] == ["sub/b c.png"]
    assert {file.name for file in read.left_out} == {"a.png", "ü.png"}
    shutil.rmtree(tmp_path / "images" / "sub")
    with pytest.raises(InputError, match="None of the 3 photos"):
        read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")


def test_photos_are_found_without_their_folder_or_extension(tmp_path):
    small_model(tmp_path)
    (tmp_path / "images" / "sub" / "b c.png").rename(tmp_path / "images" / "b c.png")
    Image.open(tmp_path / "images" / "a.png").save(tmp_path / "images" / "A.JPG")
    (tmp_path / "images" / "a.png").unlink()
    read = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")
    assert [view.path.name for view in read.views] == ["A.JPG", "b c.png", "ü.png"]


def test_names_do_not_lead_out_of_the_folder(tmp_path):
    made = small_model(tmp_path)
    (tmp_path / "secret.png").write_bytes((tmp_path / "images" / "a.png").read_bytes())
    first = made.views[0]
    stray = View("../secret.png", first.path, first.lens, first.cam_from_input)
    write_colmap(Reconstruction((*made.views, stray), made.points), tmp_path / "sparse" / "0")
    read = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")
    assert [file.name for file in read.left_out] == ["../secret.png"]


@pytest.mark.parametrize("before", ["/somewhere/else/", "../", "x/../../"])
def test_photos_found_by_their_last_name_are_called_as_they_lie_in_the_folder(tmp_path, before):
    made = small_model(tmp_path)
    strays = tuple(replace(view, name=before + Path(view.name).name) for view in made.views)
    write_colmap(Reconstruction(strays, made.points), tmp_path / "sparse" / "0")
    read = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")
    assert [view.name for view in read.views] == [view.name for view in made.views]


def test_models_of_unturned_pixels_are_turned_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turn clockwise to see it upright
    made = small_model(tmp_path, exif=exif)
    before = made.views[0]
    after = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images").views[0]
    assert (after.lens.width, after.lens.height) == (48, 64)
    point = np.array([0.1, -0.05, 0.2, 1.0])
    seen, turned_seen = before.cam_from_input @ point, after.cam_from_input @ point
    x, y = pixels_of(before.lens, seen[:2] / seen[2])
    np.testing.assert_allclose(pixels_of(after.lens, turned_seen[:2] / turned_seen[2]), [48 - y, x], atol=1e-9)


def test_a_test_list_in_the_model_is_honoured(tmp_path):
    small_model(tmp_path)
    (tmp_path / "sparse" / "0" / "test.txt").write_text("ü.png\n")
    read = read_colmap(tmp_path / "sparse" / "0", tmp_path / "images")
    assert [view.split for view in read.views] == ["train", "train", "test"]


@pytest.mark.parametrize("place", [".", "sparse", "sparse/0", "colmap/sparse/0"])
def test_models_are_found_in_their_customary_places(tmp_path, place):
    small_model(tmp_path)
    shutil.move(tmp_path / "sparse" / "0", tmp_path / "model")
    shutil.rmtree(tmp_path / "sparse")
    shutil.copytree(tmp_path / "model", tmp_path / place, dirs_exist_ok=True)
    posed = find_posed(tmp_path)
    assert posed is not None
    assert (posed.kind, posed.path, posed.images) == ("colmap", tmp_path / place, tmp_path / "images")
    assert len(posed.read().views) == 3


def test_plain_photos_are_not_posed(tmp_path):
    assert find_posed(tmp_path) is None
    assert find_posed(tmp_path / "missing") is None
