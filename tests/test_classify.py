"""`recon classify`: clouds out of every kind of file, things in scans and runs, and what is said of bad ones."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from shapes import CLASSES, box_cloud, labelled_file, pole_cloud, rod_table

from recon.cli.main import main
from recon.errors import InputError
from recon.io.cloud import OrientedPoints, write_cloud
from recon.io.depth_file import read_depth
from recon.io.point_files import read_clouds
from recon.io.points import read_points
from recon.priors.clouds.classifier import Z_UP
from recon.priors.clouds.found import read_found
from recon.priors.clouds.objects import find_objects


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a network that has seen plates and poles for a moment."""
    folder = tmp_path_factory.mktemp("trained")
    labelled_file(folder / "train.npz")
    options = ["--network", "pointnet", "--epochs", "1", "--batch", "8", "--points", "64"]
    assert main(["pointnet", "train", "--data", str(folder), "--output", str(folder / "out"), *options, "--quiet"]) == 0
    return str(folder / "out" / "weights.safetensors")


def written(path: Path, xyz: np.ndarray) -> Path:
    """A cloud in the format of the file's name."""
    match path.suffix:
        case ".npy":
            np.save(path, xyz)
        case ".npz":
            np.savez(path, points=xyz)
        case ".xyz" | ".csv":
            divided = "," if path.suffix == ".csv" else " "
            lines = [divided.join(f"{value!r}" for value in row) for row in xyz.tolist()]
            path.write_text("\n".join(["x, y, z" if divided == "," else "# made", *lines]) + "\n")
        case ".off":
            path.write_text(f"OFF\n{len(xyz)} 0 0\n" + "\n".join(" ".join(map(repr, row)) for row in xyz.tolist()))
        case _:
            colours = np.zeros((len(xyz), 3), dtype=np.uint8)
            write_cloud(OrientedPoints(xyz, np.zeros_like(xyz), colours), path, suffix=path.suffix)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".ply", ".pcd", ".xyz", ".csv", ".off"])
def test_points_come_out_of_every_format_as_they_went_in(suffix: str, tmp_path: Path) -> None:
    xyz = box_cloud((1, 2, 3), 50)
    (cloud,) = read_clouds(written(tmp_path / f"cloud{suffix}", xyz))
    np.testing.assert_allclose(cloud.xyz, xyz, atol=1e-6)  # some formats hold floats
    assert cloud.not_finite == 0


@pytest.mark.parametrize("suffix", [".npy", ".ply", ".pcd", ".xyz"])
def test_points_that_are_no_numbers_are_counted_and_left_out(suffix: str, tmp_path: Path) -> None:
    xyz = box_cloud((1, 2, 3), 50)
    xyz[[3, 7]] = np.nan
    (cloud,) = read_clouds(written(tmp_path / f"cloud{suffix}", xyz))
    assert len(cloud.xyz) == 48
    assert cloud.not_finite == 2


@pytest.mark.parametrize("form", ["ascii", "binary", "binary_compressed"])
def test_pcd_of_other_programs_is_read(form: str, tmp_path: Path) -> None:
    import open3d as o3d

    xyz = box_cloud((1, 2, 3), 80)
    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(xyz))
    path = tmp_path / "scan.pcd"
    o3d.io.write_point_cloud(path, cloud, write_ascii=form == "ascii", compressed=form == "binary_compressed")
    np.testing.assert_allclose(read_clouds(path)[0].xyz, xyz, atol=1e-6)


@pytest.mark.parametrize("suffix", [".glb", ".off", ".stl", ".obj", ".ply"])
def test_a_mesh_gives_points_all_over_its_surface(suffix: str, tmp_path: Path) -> None:
    import trimesh

    path = tmp_path / f"box{suffix}"
    trimesh.creation.box((1, 2, 3)).export(path)
    (cloud,) = read_clouds(path)
    assert cloud.y_up == (suffix == ".glb")
    assert np.abs(np.abs(cloud.xyz) / (0.5, 1, 1.5)).max(axis=1) == pytest.approx(1)
    shares = [(np.abs(np.abs(cloud.xyz[:, axis]) - size / 2) < 1e-6).mean() for axis, size in enumerate((1, 2, 3))]
    assert shares == pytest.approx([6 / 11, 3 / 11, 2 / 11], abs=0.02)  # of 20,000 points, as the faces' areas


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.npy", b"\x93NUMPY broken", "cannot be read"),
        ("b.pcd", b"VERSION 0.7\nFIELDS x y z\n", "no DATA line"),
        ("c.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 9\nDATA binary\n1234", "cannot be read"),
        ("d.pcd", b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nPOINTS 9\nDATA ascii\n1 2 3\n", "cut short"),
        ("e.xyz", b"nothing here\n", "no line of three numbers"),
        ("f.ply", b"ply\nformat ascii 1.0\n", "f.ply"),
        ("g.las", b"LASF", "no point cloud that recon reads"),
        ("h.off", b"OFF\nbroken", "h.off"),
        ("i.xyz", b"0 0 0\n1 0 0\n0 1 0\n", "3 finite points have no shape"),
    ],
)
def test_broken_clouds_are_refused_in_words(
    name: str, content: bytes, words: str, tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert main(["classify", str(tmp_path / name), "--classifier", weights]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert name in said
    assert "Traceback" not in said


def header(shape: str) -> bytes:
    """An .npy of one number that says it has many."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(8)


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ("(1000000000000, 3)", "promises 24000000000000 bytes, and 8 follow"),
        (f"({10**20 - 1}, 3)", "claims the shape"),
        ("(-1, 3)", "claims the shape"),
        ("(0, 10000000000000000)", "claims the shape"),
        ("'many'", "makes no sense"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_that_promises_more_than_the_file_has_is_refused_unallocated(
    shape: str, words: str, suffix: str, tmp_path: Path
) -> None:
    path = tmp_path / f"cloud{suffix}"
    if suffix == ".npz":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("points.npy", header(shape))
    else:
        path.write_bytes(header(shape))
    with pytest.raises(InputError, match=words):
        read_clouds(path)
    with pytest.raises(InputError, match=words):
        read_depth(path)


@pytest.mark.parametrize("names", [(), ("readme.txt",)])
def test_an_archive_without_arrays_is_refused(names: tuple[str, ...], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "cloud.npz", "w") as archive:
        for name in names:
            archive.writestr(name, "hello")
    for read in (read_clouds, read_depth):
        with pytest.raises(InputError, match="holds no array"):
            read(tmp_path / "cloud.npz")


def test_a_compressed_pcd_that_claims_more_points_than_it_has_is_refused(tmp_path: Path) -> None:
    import open3d as o3d

    cloud = o3d.geometry.PointCloud(o3d.utility.Vector3dVector(box_cloud((1, 2, 3), 80)))
    path = tmp_path / "scan.pcd"
    o3d.io.write_point_cloud(path, cloud, compressed=True)
    count = str(len(cloud.points)).encode()
    path.write_bytes(path.read_bytes().replace(b"POINTS " + count, b"POINTS 1000000000000"))
    with pytest.raises(InputError, match="says 1000000000000 points"):
        read_clouds(path)


@pytest.mark.parametrize("suffix", [".npy", ".ply", ".xyz", ".off"])
def test_points_too_far_apart_for_any_arithmetic_are_refused(suffix: str, tmp_path: Path) -> None:
    xyz = box_cloud((1, 2, 3), 50)
    xyz[::2] *= 1e308 if suffix != ".ply" else 1e30  # of floats
    path = written(tmp_path / f"big{suffix}", xyz)
    with pytest.raises(InputError, match="it has a coordinate of"):
        read_clouds(path)


def test_a_folder_is_no_file_of_points_and_called_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder") as caught:
        read_clouds(tmp_path)
    assert "Pass the files" in caught.value.advice


def test_arrays_of_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "cloud.npy", np.array([{}, {}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match=r"cloud\.npy cannot be read"):
        read_clouds(tmp_path / "cloud.npy")


def test_each_file_gets_a_label_and_scores(tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]) -> None:
    files = [written(tmp_path / f"{i}{suffix}", pole_cloud()) for i, suffix in enumerate((".npy", ".pcd", ".xyz"))]
    np.save(tmp_path / "many.npy", np.stack([pole_cloud(100, 1), box_cloud((2, 2, 0.3), 100)]))
    broken = written(tmp_path / "tiny.npy", np.zeros((3, 3)))
    paths = [str(path) for path in [*files, tmp_path / "many.npy", broken]]
    assert main(["classify", *paths, "--classifier", weights, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [Path(row["file"]).name for row in found["clouds"]] == ["0.npy", "1.pcd", "2.xyz", "many.npy", "many.npy"]
    assert [row.get("index") for row in found["clouds"]] == [None, None, None, 0, 1]
    for row in found["clouds"]:
        assert set(row["scores"]) == set(CLASSES)
        assert sum(row["scores"].values()) == pytest.approx(1, abs=1e-5)
        assert row["confidence"] == max(row["scores"].values())
    assert [row["file"] for row in found["left_out"]] == [str(broken)]


def test_a_high_threshold_makes_everything_unknown(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(written(tmp_path / "pole.npy", pole_cloud()))
    assert main(["classify", path, "--classifier", weights, "--threshold", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clouds"][0]["label"] == "unknown"


def room() -> np.ndarray:
    """A floor, a wall, a table and two poles that stand apart, z up, 40 m from the origin."""
    random = np.random.default_rng(0)
    floor = np.concatenate([random.random((12_000, 2)) * 4 - 2, random.normal(size=(12_000, 1)) * 0.003], axis=1)
    wall = np.stack([floor[:6000, 0], np.full(6000, 2.0), floor[6000:, 1] * 0.5 + 1], axis=1)
    poles = [pole_cloud(1500, i) * 0.5 + np.array([1.2, y, 0.52]) for i, y in enumerate((-1.0, 1.0))]
    return np.concatenate([floor, wall, rod_table() + np.array([-0.6, 0, 0.02]), *poles]) + 40.0


def test_things_stand_apart_once_floor_and_walls_are_gone() -> None:
    xyz = room()
    found = find_objects(xyz, up=Z_UP)
    assert len(found) == 3
    assert (found.owner[:18_000] == -1).mean() > 0.97  # the foot of a thing may keep some floor
    for number, part in enumerate((slice(18_000, 22_000), slice(22_000, 23_500), slice(23_500, 25_000))):
        owners, counts = np.unique(found.owner[part], return_counts=True)
        assert counts.max() > 0.9 * counts.sum(), number
        box = found.boxes[owners[counts.argmax()]]
        low, high = xyz[part].min(axis=0), xyz[part].max(axis=0)
        assert np.sort(box.size) == pytest.approx(np.sort(high - low), abs=0.05)
        assert box.center == pytest.approx((low + high) / 2, abs=0.05)
        assert np.abs(box.corners - box.center).max(axis=0)[2] == pytest.approx(box.size[2] / 2)


def test_a_scan_of_many_things_is_taken_apart_named_and_written(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    scan = written(tmp_path / "scan.ply", room())
    assert main(["classify", str(scan), "--objects", "--classifier", weights, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["scans"]
    assert len(found["objects"]) == 3
    kept = read_found(Path(found["json"]))
    assert [thing.described() for thing in kept] == found["objects"]
    points = read_points(Path(found["cloud"]))
    assert len(points) == len(room())
    assert len(np.unique(points.rgb.numpy(), axis=0)) == 4  # three things and gray


def test_a_scan_of_nothing_but_a_floor_holds_no_things() -> None:
    floor = np.random.default_rng(0).random((5000, 3)) * (4, 4, 0.001)
    assert len(find_objects(floor, up=Z_UP)) == 0


def test_weights_of_more_bytes_than_any_network_are_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("recon.priors.clouds.weights_file._LARGEST", 100)
    save_file({"a": torch.zeros(100)}, tmp_path / "big.safetensors")
    path = str(written(tmp_path / "pole.npy", pole_cloud()))
    assert main(["classify", path, "--classifier", str(tmp_path / "big.safetensors")]) == 2
    assert "more than any network" in capsys.readouterr().err


def test_shipped_weights_know_furniture_they_have_never_seen(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = data / "modelnet10_points" / "modelnet10_test_a.npz"
    if not whole.is_file():
        pytest.skip("no ModelNet10")
    arrays = dict(np.load(whole))
    few = {name: arrays[name][::9] for name in ("points", "labels")}
    np.savez(tmp_path / "few.npz", class_names=arrays["class_names"], **few)
    assert main(["pointnet", "eval", "--data", str(tmp_path / "few.npz"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["clouds"] == 51
    assert found["accuracy"] > 0.75  # 89 % of all; of 51, three deviations are 13 %


def test_what_hangs_under_a_table_top_goes_with_it_and_what_stands_on_it_stays() -> None:
    random = np.random.default_rng(0)
    top = np.stack([*(random.random((2, 12_000)) * 4 - 2), random.normal(size=12_000) * 0.003], axis=1)
    rim = np.stack([random.random(2000) * 4 - 2, np.full(2000, 2.0), -0.05 - 0.3 * random.random(2000)], axis=1)
    pole = pole_cloud(1500) * 0.5 + np.array([0.3, 0.2, 0.55])
    found = find_objects(np.concatenate([top, rim, pole]), up=Z_UP)
    assert len(found) == 1
    assert (found.owner[-1500:] == 0).mean() > 0.9
    assert (found.owner[:-1500] == -1).all()


def test_a_sheet_is_no_thing() -> None:
    random = np.random.default_rng(0)
    floor = np.stack([*(random.random((2, 12_000)) * 4 - 2), random.normal(size=12_000) * 0.003], axis=1)
    sheet = np.stack([random.random(1000), np.full(1000, 0.5), 0.5 + random.random(1000)], axis=1)
    assert len(find_objects(np.concatenate([floor, sheet]), up=Z_UP)) == 0
