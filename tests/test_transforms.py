"""transforms.json of nerfstudio and Blender: conventions, splits, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recon.errors import InputError
from recon.geometry import camera_positions, look_at
from recon.io.lens import focal_and_center
from recon.io.posed import find_posed
from recon.io.transforms import read_transforms

UP = np.array([0.0, 0.0, 1.0])


def opengl(index: int) -> np.ndarray:
    """Camera to world with OpenGL axes, of a camera on a circle looking at the origin."""
    angle = index * 0.7
    cam_from_world = look_at(np.array([np.cos(angle), np.sin(angle), 0.5]), np.zeros(3), UP)
    return np.linalg.inv(cam_from_world) @ np.diag([1.0, -1.0, -1.0, 1.0])


def write(folder: Path, name: str = "transforms.json", count: int = 3, **changes: Any) -> dict[str, Any]:
    """A file with `count` frames and pictures train/0.png, ..., 64 x 48 pixels."""
    frames = []
    for index in range(count):
        path = folder / "train" / f"{index}.png"
        path.parent.mkdir(exist_ok=True)
        noise = np.random.default_rng(index).integers(0, 255, (48, 64, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        frames.append({"file_path": f"./train/{index}.png", "transform_matrix": opengl(index).tolist()})
    content = {"fl_x": 60.0, "fl_y": 61.0, "cx": 31.0, "cy": 25.0, "w": 64, "h": 48, "frames": frames} | changes
    (folder / name).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return content


def test_cameras_look_forward_and_down_is_down(tmp_path):
    write(tmp_path)
    read = read_transforms(tmp_path)
    assert [view.name for view in read.views] == ["train/0.png", "train/1.png", "train/2.png"]
    for view in read.views:
        origin, above = view.cam_from_input @ [0, 0, 0, 1], view.cam_from_input @ [0, 0, 0.1, 1]
        np.testing.assert_allclose(origin[:3], [0, 0, np.sqrt(1.25)], atol=1e-9)
        assert above[1] < 0
    assert read.up is not None
    np.testing.assert_allclose(read.up, UP)


def test_intrinsics_are_those_of_the_file(tmp_path):
    write(tmp_path, k1=0.1, p2=-0.01)
    (lens,) = {view.lens for view in read_transforms(tmp_path).views}
    assert (lens.model, lens.width, lens.height) == ("OPENCV", 64, 48)
    assert lens.params == (60.0, 61.0, 31.0, 25.0, 0.1, 0.0, 0.0, -0.01)


def test_the_field_of_view_gives_the_focal_length(tmp_path):
    write(tmp_path, camera_angle_x=np.pi / 2, fl_x=None, fl_y=None, cx=None, cy=None, w=None, h=None)
    focal, center = focal_and_center(read_transforms(tmp_path).views[0].lens)
    assert focal == pytest.approx((32, 32))
    assert center == (32, 24)


def test_intrinsics_of_bigger_pictures_are_scaled(tmp_path):
    write(tmp_path, w=128, h=96)
    focal, center = focal_and_center(read_transforms(tmp_path).views[0].lens)
    assert focal == (30, 30.5)
    assert center == (15.5, 12.5)


def test_a_frame_may_have_its_own_camera(tmp_path):
    frames = write(tmp_path)["frames"]
    frames[1] |= {"fl_x": 90.0, "camera_model": "OPENCV_FISHEYE", "k4": 0.01}
    write(tmp_path, frames=frames)
    models = [view.lens.model for view in read_transforms(tmp_path).views]
    assert models == ["OPENCV", "OPENCV_FISHEYE", "OPENCV"]
    assert read_transforms(tmp_path).views[1].lens.params == (90, 61, 31, 25, 0, 0, 0, 0.01)


def test_lists_of_names_split_the_views(tmp_path):
    write(tmp_path, train_filenames=["train/0.png", "./train/1.png"], val_filenames=["train/2.png"])
    assert [view.split for view in read_transforms(tmp_path).views] == ["train", "train", "test"]


def test_blender_files_split_the_views_and_need_no_extension(tmp_path):
    frames = write(tmp_path)["frames"]
    for frame in frames:
        frame["file_path"] = frame["file_path"].removesuffix(".png")
    for name, some in (("train", frames[:2]), ("test", frames[2:]), ("val", frames[:1])):
        write(tmp_path, f"transforms_{name}.json", frames=some)
    (tmp_path / "transforms.json").unlink()
    read = read_transforms(tmp_path)
    assert [(view.name, view.split) for view in read.views] == [
        ("train/0.png", "train"),
        ("train/1.png", "train"),
        ("train/2.png", "test"),
    ]
    assert read.left_out == ()
    posed = find_posed(tmp_path)
    assert posed is not None
    assert posed.kind == "transforms"


def test_applied_transform_changes_nothing(tmp_path):
    write(tmp_path)
    plain = read_transforms(tmp_path).views[1].cam_from_input
    write(tmp_path, applied_transform=[[0, 1, 0, 5], [1, 0, 0, 0], [0, 0, -1, 0]])
    np.testing.assert_array_equal(read_transforms(tmp_path).views[1].cam_from_input, plain)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("key", [True, False])
def test_points_come_from_the_ply(tmp_path, form, key):
    order = ">" if "big" in form else "<"
    row = np.dtype([(axis, f"{order}f4") for axis in "xyz"] + [(name, "u1") for name in ("red", "green", "blue")])
    points = np.array([(1.5, 2, 3, 255, 0, 7), (-1, 0.25, 9, 1, 2, 3)], dtype=row)
    types = ["float"] * 3 + ["uchar"] * 3
    lines = [f"property {kind} {name}" for kind, name in zip(types, row.names or (), strict=True)]
    header = "\n".join(["ply", f"format {form} 1.0", "element vertex 2", *lines, "end_header\n"])
    text = "\n".join(" ".join(str(value) for value in point) for point in points.tolist()).encode()
    name = "cloud.ply" if key else "sparse_pc.ply"
    (tmp_path / name).write_bytes(header.encode() + (text if form == "ascii" else points.tobytes()))
    write(tmp_path, ply_file_path=name if key else None)
    read = read_transforms(tmp_path).points
    assert read.xyz.tolist() == [[1.5, 2, 3], [-1, 0.25, 9]]
    assert read.rgb.tolist() == [[255, 0, 7], [1, 2, 3]]


def test_paths_of_another_machine_are_found_by_their_end(tmp_path):
    frames = write(tmp_path)["frames"]
    frames[0]["file_path"] = "/home/somebody/captures/house/train/0.png"
    frames[1]["file_path"] = "C:\\captures\\house\\train\\1.png"
    write(tmp_path, frames=frames)
    assert [view.name for view in read_transforms(tmp_path).views] == ["train/0.png", "train/1.png", "train/2.png"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"file_path": "../../etc/hostname"}, "out of the folder"),
        ({"file_path": "train/none.png"}, "not exist"),
        ({"file_path": ""}, "no file"),
        ({"file_path": "train/0.png"}, "twice"),
        ({"transform_matrix": [[1, 0, 0], [0, 1, 0]]}, "2x3"),
        ({"transform_matrix": "up"}, "no matrix"),
        ({"transform_matrix": None}, "matrix"),
        ({"transform_matrix": (np.diag([1, 2, 3, 1.0])).tolist()}, "no rotation"),
        ({"transform_matrix": (np.diag([1, 1, -1, 1.0])).tolist()}, "no rotation"),
        ({"transform_matrix": (np.eye(4) * np.nan).tolist()}, "not numbers"),
        ({"fl_x": -5}, "no camera has"),
        ({"fl_x": "wide"}, "not a number"),
        ({"fl_x": 10**400}, "not a number of at most"),
        ({"cx": 10**400}, "not a number of at most"),
        ({"w": 10**400}, "not a number of at most"),
        ({"h": 10**400}, "not a number of at most"),
        ({"fl_x": 1e308}, "not a number of at most"),
        ({"fl_x": 1e8}, "no camera has"),
        ({"fl_x": 1e-300}, "no camera has"),
        ({"cx": 1e8}, "its centre"),
        ({"k1": 1e8}, "distortion"),
        ({"transform_matrix": [[10**400, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]}, "no matrix"),
        ({"transform_matrix": [[1, 0, 0, 1e300], [0, 1, 0, 0], [0, 0, 1, 0]]}, "farther away"),
        ({"w": 0}, "size"),
        ({"w": 48, "h": 64}, "calibrated"),
    ],
)
def test_a_bad_frame_is_left_out_with_its_reason(tmp_path, change, word):
    frames = write(tmp_path)["frames"]
    frames[1] |= change
    write(tmp_path, frames=frames)
    read = read_transforms(tmp_path)
    assert [view.name for view in read.views] == ["train/0.png", "train/2.png"]
    (left,) = read.left_out
    assert word in left.reason


@pytest.mark.parametrize(
    ("said", "word"),
    [("masks/none.png", "does not exist"), (7, "is no text"), ("../mask.png", "leads out"), ("", "names no file")],
)
def test_a_mask_that_cannot_be_used_is_named_and_its_photo_counts_whole(tmp_path, said, word):
    frames = write(tmp_path)["frames"]
    frames[1]["mask_path"] = said
    write(tmp_path, frames=frames)
    read = read_transforms(tmp_path)
    assert [view.mask for view in read.views] == [None] * 3
    (left,) = read.left_out
    assert left.name == (str(said) or "mask_path")
    assert left.reason.startswith("(a mask of train/1.png)")
    assert word in left.reason


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"frames": 3}', '{"frames": []}', '{"frames": [1]}', "\0\xff"])
def test_files_that_are_no_transforms_are_errors(tmp_path, text):
    (tmp_path / "transforms.json").write_text(text, encoding="latin-1")
    with pytest.raises(InputError):
        read_transforms(tmp_path)


def test_a_folder_without_transforms_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"transforms\.json"):
        read_transforms(tmp_path)


EVERY_FRAME = {
    "empty_frames": "lists no frames",
    "missing_images": "not exist",
    "negative_focal": "no camera has",
    "no_intrinsics": "no focal length",
    "truncated": "cut short",
}
SOME_FRAMES = {
    "duplicate_frames": "twice",
    "nan_matrix": "not numbers",
    "not_rotation": "no rotation",
    "path_escape": "out of the folder",
    "wrong_shape": "2x3",
}


@pytest.mark.parametrize("name", [*EVERY_FRAME, *SOME_FRAMES])
def test_bad_transforms_are_explained(data, tmp_path, name):
    (tmp_path / "images").symlink_to(data / "fox" / "images")
    path = tmp_path / "transforms.json"
    path.write_bytes((data / "bad_inputs" / "bad_transforms" / f"{name}.json").read_bytes())
    if name in EVERY_FRAME:
        with pytest.raises(InputError, match=EVERY_FRAME[name]):
            read_transforms(path)
    else:
        assert any(SOME_FRAMES[name] in file.reason for file in read_transforms(path).left_out)


def test_fox_has_fifty_of_its_frames(data):
    read = read_transforms(data / "fox")
    assert len(read.views) == 50
    assert len(read.left_out) == 17
    assert read.up is not None
    assert read.up[2] == 1


def test_real_splits_are_honoured(data):
    for name, train, test in (("studio", 60, 12), ("object", 60, 20), ("stitch_figure", 88, 22)):
        splits = [view.split for view in read_transforms(data / name).views]
        assert (splits.count("train"), splits.count("test")) == (train, test)


def test_brush_offers_points(data):
    read = read_transforms(data / "importer" / "brush_minimal")
    assert len(read.points) == 100
    np.testing.assert_allclose(camera_positions(read.views[0].cam_from_input), [-0.0538, 3.8455, 1.2081], atol=1e-4)
