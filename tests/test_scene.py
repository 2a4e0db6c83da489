"""From posed photos to what training works on: pixels that stay where they are, a frame, a split, a store."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from recon.errors import InputError
from recon.geometry import look_at, similarity
from recon.io.lens import pixels_of
from recon.io.pictures import Pictures, Source, load_picture
from recon.io.resolution import Machine, choose_image_size, this_machine
from recon.io.scene import load_scene
from recon.io.transforms import read_transforms
from recon.io.undistort import pinhole_of
from recon.types import ImageStore, Lens, Points, Reconstruction, Scene, View

PINHOLE = Lens("PINHOLE", 320, 240, (260.0, 262.0, 158.0, 123.0))
DISTORTED = [
    Lens("SIMPLE_RADIAL", 320, 240, (260.0, 158.0, 123.0, -0.2)),
    Lens("RADIAL", 320, 240, (260.0, 158.0, 123.0, 0.15, 0.05)),
    Lens("OPENCV", 320, 240, (260.0, 262.0, 158.0, 123.0, -0.1, 0.03, 0.004, -0.003)),
    Lens("FULL_OPENCV", 320, 240, (260.0, 262.0, 158.0, 123.0, -0.1, 0.03, 0.004, -0.003, 0.01, 0.02, 0.0, 0.0)),
    Lens("OPENCV_FISHEYE", 320, 240, (120.0, 121.0, 158.0, 123.0, 0.03, -0.01, 0.0, 0.0)),
]
NO_POINTS = Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8))


def waves(pixels: np.ndarray) -> np.ndarray:
    """A smooth picture at pixel positions of a 320 x 240 photo, in levels."""
    x, y = pixels[..., 0], pixels[..., 1]
    return np.stack([128 + 90 * np.sin(x / 14), 128 + 90 * np.sin(y / 11), 128 + 60 * np.sin((x + y) / 17)], axis=-1)


def centers(width: int, height: int) -> np.ndarray:
    return np.stack(np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5), axis=-1)


def save_waves(path: Path, alpha: np.ndarray | None = None) -> None:
    pixels = waves(centers(320, 240)).round().astype(np.uint8)
    Image.fromarray(pixels if alpha is None else np.dstack([pixels, alpha])).save(path)


def shift_of(seen: np.ndarray, expected: np.ndarray) -> float:
    """How far pictures are apart, in pixels, by least squares; borders excepted."""
    difference = (seen - expected)[3:-3, 3:-3]
    slopes = [np.gradient(expected, axis=axis)[3:-3, 3:-3] for axis in (0, 1)]
    return max(abs((difference * slope).sum() / (slope**2).sum()) for slope in slopes)


def around(path: Path, count: int = 9, *, lens: Lens = PINHOLE, points: Points = NO_POINTS) -> Reconstruction:
    """Views on a circle of radius 2 around (10, 20, 30), all with the picture at `path`."""
    center, up = np.array([10.0, 20.0, 30.0]), np.array([0.0, 0.0, 1.0])
    views = []
    for index in range(count):
        angle = index / count * 2 * np.pi
        position = center + 2 * np.array([np.cos(angle), np.sin(angle), 0.0])
        views.append(View(f"{index:02}.png", path, lens, look_at(position, center, up)))
    return Reconstruction(tuple(views), points)


@pytest.mark.parametrize("side", [320, 200, 133, 107, 80])
def test_shrinking_keeps_pixels_where_they_are(tmp_path, side):
    save_waves(tmp_path / "1.png")
    pinhole = pinhole_of(PINHOLE, side)
    picture = load_picture(Source(tmp_path / "1.png", None, PINHOLE, pinhole))
    assert picture.rgb.shape == (pinhole.height, pinhole.width, 3)
    directions = (centers(pinhole.width, pinhole.height) - pinhole.center) / pinhole.focal
    expected = waves(pixels_of(PINHOLE, directions))
    assert shift_of(picture.rgb.numpy().astype(float), expected) < 0.02


@pytest.mark.parametrize("lens", DISTORTED, ids=lambda lens: lens.model)
@pytest.mark.parametrize("side", [1000, 200, 133])
def test_undistorted_pixels_show_what_the_lens_saw(tmp_path, lens, side):
    save_waves(tmp_path / "1.png")
    pinhole = pinhole_of(lens, side)
    picture = load_picture(Source(tmp_path / "1.png", None, lens, pinhole))
    directions = (centers(pinhole.width, pinhole.height) - pinhole.center) / pinhole.focal
    expected = waves(pixels_of(lens, directions))
    seen = picture.rgb.numpy().astype(float)
    assert shift_of(seen, expected) < 0.02
    assert np.abs(seen - expected).mean() < 6  # fine waves lose some contrast
    assert max(pinhole.width, pinhole.height) == side or side == 1000


@pytest.mark.parametrize(
    "lens",
    [
        Lens("OPENCV", 320, 240, (260.0, 262.0, 158.0, 123.0, -1e9, 1e9, 0.0, 0.0)),
        Lens("OPENCV", 320, 240, (260.0, 262.0, 158.0, 123.0, 0.0, 0.0, 1e30, 1e30)),
        Lens("SIMPLE_RADIAL", 320, 240, (260.0, -500.0, 123.0, 0.1)),
        Lens("SIMPLE_RADIAL", 320, 240, (1e-9, 158.0, 123.0, 0.1)),
        Lens("SIMPLE_RADIAL", 320, 240, (260.0, 158.0, 123.0, 1e308)),
        Lens("FULL_OPENCV", 320, 240, (260.0, 262.0, 158.0, 123.0, 0.0, 0.0, 0.0, 0.0, 0.0, -1e20, 1e20, 0.0)),
    ],
    ids=lambda lens: lens.model,
)
def test_a_lens_that_shows_nothing_straight_is_refused_by_name(lens):
    with pytest.raises(InputError, match=f"{lens.model} camera of 320 x 240"):
        pinhole_of(lens, 200)
    with pytest.raises(InputError, match=r"00\.png cannot be used"):
        load_scene(around(Path("none.png"), lens=lens), image_size=200)


@pytest.mark.parametrize("lens", DISTORTED, ids=lambda lens: lens.model)
def test_undistorted_pictures_have_only_seen_pixels_and_most_of_them(lens):
    pinhole = pinhole_of(lens, None)
    corners = centers(pinhole.width, pinhole.height)
    pixels = pixels_of(lens, (corners - pinhole.center) / pinhole.focal)
    assert (pixels >= 0).all()
    assert (pixels <= [320, 240]).all()
    width, height = np.ptp(pixels.reshape(-1, 2), axis=0)
    assert width * height > 0.75 * 320 * 240
    assert min(pixels[..., 0].min(), pixels[..., 1].min()) < 2  # it reaches the border somewhere


def test_a_half_transparent_photo_gives_coverage_without_dark_seams(tmp_path):
    alpha = np.where(np.arange(320) < 160, 255, 0).astype(np.uint8) * np.ones((240, 1), np.uint8)
    red = np.zeros((240, 320, 4), np.uint8)
    red[..., 0], red[..., 3] = np.where(alpha > 0, 200, 0), alpha
    Image.fromarray(red).save(tmp_path / "1.png")
    for lens in (PINHOLE, DISTORTED[0]):
        picture = load_picture(Source(tmp_path / "1.png", None, lens, pinhole_of(lens, 101)))
        assert picture.alpha is not None
        assert picture.alpha[:, :40].min() == 255
        assert picture.alpha[:, 60:].max() == 0
        partly = (picture.alpha > 10) & (picture.alpha < 245)
        assert partly.any()
        assert (picture.rgb[..., 0][partly].int() - 200).abs().max() <= 8


def test_masks_are_shrunk_with_their_photos(tmp_path):
    save_waves(tmp_path / "1.png")
    mask = np.zeros((120, 160), np.uint8)  # half the photo's size
    mask[:, 80:] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    picture = load_picture(Source(tmp_path / "1.png", tmp_path / "mask.png", PINHOLE, pinhole_of(PINHOLE, 64)))
    assert picture.mask is not None
    assert picture.alpha is None
    assert picture.mask[:, :31].max() == 0
    assert picture.mask[:, 33:].min() == 255


def test_what_cameras_look_at_is_the_origin_and_they_are_one_away(tmp_path):
    save_waves(tmp_path / "1.png")
    scene = load_scene(around(tmp_path / "1.png"), image_size=64)
    assert scene.cameras.position.norm(dim=-1).tolist() == pytest.approx([1.0] * 9, abs=1e-4)
    torch.testing.assert_close(
        scene.input_from_world, torch.from_numpy(similarity(2.0, None, np.array([10.0, 20, 30]))).float()
    )
    torch.testing.assert_close(scene.up, torch.tensor([0.0, 0.0, 1.0]))


def test_cameras_and_points_stay_in_step(tmp_path):
    save_waves(tmp_path / "1.png")
    xyz = torch.tensor([10.0, 20.0, 30.0]) + 0.3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    made = around(tmp_path / "1.png", points=Points(xyz.double(), torch.zeros(50, 3, dtype=torch.uint8)))
    scene = load_scene(made, image_size=320)
    for index, view in enumerate(made.views):
        seen = xyz.double().numpy() @ view.cam_from_input[:3, :3].T + view.cam_from_input[:3, 3]
        expected = pixels_of(view.lens, seen[:, :2] / seen[:, 2:])
        camera = scene.cameras[index]
        world = scene.points.xyz @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
        pixels = world[:, :2] / world[:, 2:] * camera.focal + camera.center
        np.testing.assert_allclose(pixels.numpy(), expected, atol=2e-3)


def test_far_outliers_are_kept_but_do_not_move_the_frame(tmp_path):
    save_waves(tmp_path / "1.png")
    near = torch.tensor([10.0, 20.0, 30.0]) + 0.2 * torch.randn(90, 3, generator=torch.Generator().manual_seed(0))
    far = near[:10] + torch.tensor([1e6, 0.0, 0.0])
    both = torch.cat([near, far])
    scene = load_scene(
        around(tmp_path / "1.png", points=Points(both, torch.zeros(100, 3, dtype=torch.uint8))), image_size=64
    )
    assert len(scene.points) == 100
    assert scene.cameras.position.norm(dim=-1).median().item() == pytest.approx(1, abs=0.1)
    assert scene.points.xyz.median(dim=0).values.norm() < 0.1


@pytest.mark.parametrize(("hold_out", "test"), [(8, (0, 8)), (3, (0, 3, 6)), (0, ())])
def test_every_so_manieth_view_is_held_out(tmp_path, hold_out, test):
    save_waves(tmp_path / "1.png")
    made = around(tmp_path / "1.png")
    scene = load_scene(Reconstruction(made.views[::-1], made.points), image_size=64, hold_out=hold_out)
    assert scene.names == tuple(f"{index:02}.png" for index in range(9))
    assert scene.test == test
    assert sorted(scene.train + scene.test) == list(range(9))


def test_the_data_sets_own_split_is_honoured(tmp_path):
    save_waves(tmp_path / "1.png")
    views = around(tmp_path / "1.png").views
    split = tuple(
        View(v.name, v.path, v.lens, v.cam_from_input, "test" if index in (2, 5) else "train")
        for index, v in enumerate(views)
    )
    assert load_scene(Reconstruction(split, NO_POINTS), image_size=64).test == (2, 5)


def test_one_view_is_trained_on(tmp_path):
    save_waves(tmp_path / "1.png")
    scene = load_scene(around(tmp_path / "1.png", 1), image_size=64)
    assert (scene.train, scene.test) == ((0,), ())


def test_random_points_fill_what_is_seen_and_repeat(tmp_path):
    save_waves(tmp_path / "1.png")
    scenes = [load_scene(around(tmp_path / "1.png"), image_size=64) for _ in range(2)]
    points = scenes[0].points
    assert len(points) > 5000
    assert torch.equal(points.xyz, scenes[1].points.xyz)
    assert torch.equal(points.rgb, scenes[1].points.rgb)
    assert points.xyz.isfinite().all()


def test_random_points_lie_inside_the_visual_hull(data):
    scene = load_scene(read_transforms(data / "object"), image_size=100)
    camera, alpha = scene.cameras[scene.train[0]], scene.images[scene.train[0]].alpha
    assert alpha is not None
    seen = scene.points.xyz @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    pixel = (seen[:, :2] / seen[:, 2:] * camera.focal + camera.center).long().clamp(0, 99)
    assert (alpha[pixel[:, 1], pixel[:, 0]] > 0).float().mean() > 0.9
    assert (alpha > 0).float().mean() < 0.5


def test_pictures_are_the_same_from_memory_and_from_disk(tmp_path):
    save_waves(tmp_path / "1.png")
    sources = [Source(tmp_path / "1.png", None, lens, pinhole_of(lens, 100)) for lens in (PINHOLE, *DISTORTED)]
    in_memory, on_demand = Pictures(sources, 10**9), Pictures(sources, 70_000)
    assert isinstance(in_memory, ImageStore)
    (tmp_path / "gone").mkdir()
    for _ in range(2):
        for index in range(len(sources)):
            assert torch.equal(in_memory[index].rgb, on_demand[index].rgb)
    (tmp_path / "1.png").rename(tmp_path / "gone" / "1.png")
    assert in_memory[0].rgb is in_memory[0].rgb
    with pytest.raises(InputError, match="not exist"):
        on_demand[0]
    assert on_demand[len(sources) - 1].rgb is not None  # asked for last, still held


def test_no_views_and_tiny_sizes_are_errors(tmp_path):
    with pytest.raises(InputError, match="pose"):
        load_scene(Reconstruction((), NO_POINTS), image_size=64)
    save_waves(tmp_path / "1.png")
    with pytest.raises(InputError, match="too small"):
        load_scene(around(tmp_path / "1.png"), image_size=3)


def test_the_machine_decides_the_working_resolution():
    photos = [(4000, 3000)] * 100
    laptop, workstation = Machine(2, 8 * 10**9), Machine(32, 64 * 10**9)
    assert 400 <= choose_image_size(photos, laptop).longest_side <= 640
    assert choose_image_size(photos, workstation).longest_side == 1600
    assert choose_image_size(photos, Machine(2, 8 * 10**9, gpu=True)).longest_side == 1600
    assert choose_image_size([(300, 200)], workstation).longest_side == 300
    crowded = choose_image_size(photos * 100, Machine(32, 8 * 10**9))
    assert crowded.longest_side < 320
    assert "memory" in crowded.sentence
    assert "--image-size" in crowded.sentence
    assert "2 CPU cores" in choose_image_size(photos, laptop).sentence
    assert this_machine().cores >= 1
    assert this_machine().memory > 0


def warp_error(scene: Scene, depth: np.ndarray, target: int, source: int) -> float:
    """Median difference in levels between a view and another one, brought over by the true depth of the first."""
    to, other = scene.cameras[target], scene.cameras[source]
    height, width = int(to.height), int(to.width)
    z = torch.from_numpy(depth.astype(np.float32)) / scene.input_from_world[0, 0]
    pixels = torch.from_numpy(centers(width, height)).float()
    seen = torch.cat([(pixels - to.center) / to.focal * z[..., None], z[..., None]], dim=-1)
    world = (seen - to.cam_from_world[:3, 3]) @ to.cam_from_world[:3, :3]
    there = world @ other.cam_from_world[:3, :3].T + other.cam_from_world[:3, 3]
    pixels = there[..., :2] / there[..., 2:] * other.focal + other.center
    grid = pixels / torch.stack([other.width, other.height]) * 2 - 1
    pictures = [scene.images[index].rgb.float().permute(2, 0, 1) for index in (source, target)]
    warped = functional.grid_sample(pictures[0][None], grid[None], align_corners=False)[0]
    valid = (z > 0) & (grid.abs() < 1).all(dim=-1)
    return float((warped - pictures[1]).abs().mean(dim=0)[valid].median())


@pytest.mark.parametrize("name", ["studio", "object"])
def test_true_depth_brings_one_view_onto_another(data, name):
    scene = load_scene(read_transforms(data / name), image_size=400)
    target = scene.names.index("test/r_2.png")
    distance = (scene.cameras.position - scene.cameras[target].position).norm(dim=-1)
    source = min(scene.train, key=lambda index: float(distance[index]))
    depth = np.load(data / name / "depth" / "test_r_2.npz")["depth"]
    assert warp_error(scene, depth, target, source) < 4  # 2.3 and 3.1; without depth 20
    assert math.isfinite(scene.extent)
