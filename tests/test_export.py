"""What leaves a run: splats in the input's frame, pictures named after their photos, an orbit, a page."""

from __future__ import annotations

import math
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from room import Room

from recon.errors import InputError, RunError
from recon.export.importance import seen_weights
from recon.export.orbit import orbit_cameras
from recon.export.splat_renderer import SplatRenderer
from recon.export.splats import export_splats
from recon.export.table import kind_of
from recon.export.video import write_video
from recon.export.views import picture_names, write_views
from recon.export.work import Work
from recon.geometry import look_at
from recon.io.frames import FRAMES, FrameName
from recon.io.ply import read_ply
from recon.io.ply_header import read_header
from recon.io.splats.asset import SplatAsset
from recon.io.splats.turning import placed
from recon.ops.blocks import pack
from recon.ops.splat import splat
from recon.report import Comparison, Outcome, write_report
from recon.types import (
    Cameras,
    LeftOut,
    Metrics,
    Points,
    Reconstruction,
    Render,
    Scene,
    ViewScore,
)


class Gradient:
    """A model whose picture tells columns, rows and cameras apart."""

    def render(self, cameras: Cameras, pixels: torch.Tensor | None = None) -> Render:
        w, h = int(cameras.width), int(cameras.height)
        rgb = torch.zeros(h, w, 3)
        rgb[..., 0] = torch.arange(w) / w
        rgb[..., 1] = (torch.arange(h) / h)[:, None]
        return Render(rgb=rgb, alpha=torch.full((h, w), 0.75))


def silent(done: float, text: str) -> None:
    assert 0 <= done <= 1


BLACK = torch.zeros(3)


def test_placed_gaussians_look_the_same_from_moved_cameras(room: Room) -> None:
    gaussians, camera = room.gaussians(sh_degree=1), room.cameras[1]
    b_from_a = torch.tensor([[2.5, 0, 0, 1.0], [0, 2.5, 0, -2.0], [0, 0, 2.5, 0.5], [0, 0, 0, 1]])
    pose_in_b = camera.cam_from_world.double() @ torch.linalg.inv(b_from_a.double())
    pose_in_b[:3] *= 2.5  # camera frames are measured in the units of b, too
    before = splat(pack(gaussians), camera, sh_degree=1)
    after = splat(
        pack(placed(gaussians, b_from_a.double().numpy())),
        replace(camera, cam_from_world=pose_in_b.float()),
        sh_degree=1,
    )
    difference = (after.rgb - before.rgb).abs()
    assert float(difference.quantile(0.95)) < 1e-3
    assert float(difference.max()) < 0.1  # a flat Gaussian at the edge of a tile or of visibility


class Shown(SplatRenderer):
    """A trained model of Gaussians."""


def test_exported_splats_are_in_the_frame_of_the_input(room: Room, tmp_path: Path) -> None:
    input_from_world = torch.tensor([[0.5, 0, 0, 100.0], [0, 0.5, 0, 0], [0, 0, 0.5, -3], [0, 0, 0, 1]])
    scene = replace(room.scene(), input_from_world=input_from_world)
    gaussians = room.gaussians()
    written = export_splats(Work(Shown(gaussians), scene), tmp_path / "scene.ply", silent)
    read = read_ply(tmp_path / "scene.ply")
    torch.testing.assert_close(read.means, gaussians.means * 0.5 + torch.tensor([100.0, 0, -3]), atol=1e-5, rtol=0)
    torch.testing.assert_close(read.log_scales, gaussians.log_scales + math.log(0.5), atol=1e-6, rtol=0)
    assert torch.equal(read.quats, gaussians.quats)
    assert read_header(tmp_path / "scene.ply").note("up") == "0 0 1"
    assert written.facts["frame"] == "input"
    assert [file.name for file in tmp_path.iterdir()] == ["scene.ply"]


@pytest.mark.parametrize("frame", FRAMES)
def test_exports_in_every_frame_look_like_the_model(room: Room, tmp_path: Path, frame: FrameName) -> None:
    input_from_world = torch.tensor([[2.0, 0, 0, 1.0], [0, 2, 0, -4], [0, 0, 2, 3], [0, 0, 0, 1]])
    scene = replace(room.scene(), input_from_world=input_from_world)
    work = Work(Shown(room.gaussians(sh_degree=3)), scene, frame=frame)
    written = export_splats(work, tmp_path / "scene.ply", silent)
    assert written.facts["frame"] == frame
    assert written.facts["psnr"] > 45  # float32 positions at the edges of tiles
    assert read_header(tmp_path / "scene.ply").note("frame") == frame


def test_gaussians_that_no_program_can_show_are_left_out(room: Room, tmp_path: Path) -> None:
    gaussians = room.gaussians()
    means, sh = gaussians.means.clone(), gaussians.sh.clone()
    means[3, 1], sh[5, 0, 2] = math.nan, math.inf
    work = Work(Shown(replace(gaussians, means=means, sh=sh)), room.scene())
    written = export_splats(work, tmp_path / "scene.ply", silent)
    assert written.facts["gaussians"] == len(read_ply(tmp_path / "scene.ply")) == len(gaussians) - 2


def test_a_file_that_shows_another_scene_is_not_kept(
    room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recon.export import splats

    read = splats.read_splats

    def shifted(path: Path) -> SplatAsset:
        asset = read(path)
        return replace(asset, gaussians=replace(asset.gaussians, means=asset.gaussians.means + 0.1))

    monkeypatch.setattr(splats, "read_splats", shifted)
    (tmp_path / "scene.glb").write_text("an older export")
    for name, said in (("scene.ply", "does not read back"), ("scene.glb", "worse than the model")):
        with pytest.raises(RunError, match=said):
            export_splats(Work(Shown(room.gaussians()), room.scene()), tmp_path / name, silent)
    assert [file.name for file in tmp_path.iterdir()] == ["scene.glb"]
    assert (tmp_path / "scene.glb").read_text() == "an older export"


def test_an_interrupted_export_leaves_no_half_file(room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(done: float, text: str) -> None:
        raise KeyboardInterrupt

    for name in ("scene.ply", "scene.spz", "scene.sog"):
        with pytest.raises(KeyboardInterrupt):
            export_splats(Work(Shown(room.gaussians()), room.scene()), tmp_path / name, interrupted)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "most"), [("a.ply", 60_000), ("a.spz", 12_000), ("a.splat", 20_000)])
def test_a_size_budget_is_kept(room: Room, tmp_path: Path, name: str, most: int) -> None:
    gaussians = room.gaussians(sh_degree=1)
    work = Work(Shown(gaussians), room.scene(), max_bytes=most)
    written = export_splats(work, tmp_path / name, silent)
    assert 0.5 * most < (tmp_path / name).stat().st_size <= most
    assert written.facts["gaussians"] <= len(gaussians)


def test_what_is_pruned_first_is_what_no_camera_sees(room: Room) -> None:
    gaussians = room.gaussians()
    means = gaussians.means.clone()
    means[4] = torch.tensor([1e3, 1e3, 1e3])
    weights = seen_weights(replace(gaussians, means=means), room.cameras)
    assert weights[4] == 0
    assert float(weights.median()) > 0


@pytest.mark.parametrize(
    ("name", "kind"), [("scene.ply", "splats"), ("a/SCENE.PLY", "splats"), ("x.spz", "splats"), ("orbit.mp4", "video")]
)
def test_a_files_name_says_what_it_becomes(name: str, kind: str) -> None:
    assert kind_of(Path(name)).name == kind


def test_an_unknown_ending_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match=r"cannot write scene\.xyz\. It writes splats: \.ply"):
        kind_of(Path("a/scene.xyz"))
    with pytest.raises(InputError, match=r"cannot write scene\.ply as video"):
        kind_of(Path("scene.ply"), "video")


def test_pictures_are_named_after_their_photos() -> None:
    assert picture_names(["a/1.jpg", "b.c.PNG", "d"]) == ["a/1.png", "b.c.png", "d.png"]
    assert picture_names(["1.jpg", "1.png", "2.jpg"]) == ["1.jpg.png", "1.png.png", "2.png"]
    assert picture_names(["1.jpg", "1.png", "1.jpg.jpg"]) == ["1.jpg.png", "1.png.png", "1.jpg.jpg.png"]


def test_pictures_stay_in_their_folder_whatever_their_photos_are_called() -> None:
    photos = ["/home/me/1.jpg", "../../1.jpg", "a/../../b/1.jpg", "..", "/", "//1.jpg"]
    names = picture_names(photos)
    assert names[:3] == ["home/me/1.png", "1.jpg.png", "a/b/1.png"]
    assert len(set(names)) == len(photos)
    assert all(not name.startswith("/") and ".." not in name.split("/") for name in names)


def test_rendered_views_are_what_the_model_shows_over_the_background(room: Room, tmp_path: Path) -> None:
    from PIL import Image

    paths = write_views(Gradient(), room.scene(), [0, 2], tmp_path / "views", background=torch.ones(3), progress=silent)
    assert [path.name for path in paths] == ["room_00.png", "room_02.png"]
    picture = np.asarray(Image.open(paths[1]))
    assert picture.shape == (48, 64, 3)
    assert picture[0, 0].tolist() == [64, 64, 64]  # a quarter of the white behind
    assert picture[0, 32].tolist() == [191, 64, 64]


def ring(room: Room, azimuths: list[float]) -> Scene:
    """Cameras 2 m from (1, 2, 3), half a metre above it, looking at it."""
    up = np.array([0.0, 0.0, 1.0])
    target = np.array([1.0, 2.0, 3.0])
    across = math.sqrt(4 - 0.25)
    poses = []
    for azimuth in np.radians(azimuths):
        eye = target + np.array([across * np.cos(azimuth), across * np.sin(azimuth), 0.5])
        poses.append(look_at(eye, target, up))
    n = len(poses)
    cameras = Cameras(
        torch.from_numpy(np.stack(poses)).float(),
        torch.full((n, 2), 60.0),
        torch.tensor([[32.0, 24.0]]).expand(n, 2),
        torch.full((n,), 65),
        torch.full((n,), 49),
    )
    points = Points(torch.rand(50, 3) + torch.tensor([0.5, 1.5, 2.5]), torch.zeros(50, 3, dtype=torch.uint8))
    names = tuple(str(i) for i in range(n))
    return replace(room.scene(), names=names, cameras=cameras, points=points, train=tuple(range(n)), test=())


def test_the_orbit_goes_around_at_the_photos_distance_and_height(room: Room) -> None:
    scene = ring(room, [0, 60, 120, 180, 240, 300])
    cameras = orbit_cameras(scene, 12)
    target = torch.tensor([1.0, 2.0, 3.0])
    offsets = cameras.position - target
    torch.testing.assert_close(offsets.norm(dim=-1), torch.full((12,), 2.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(offsets[:, 2], torch.full((12,), 0.5), atol=1e-3, rtol=0)
    steps = torch.atan2(offsets[:, 1], offsets[:, 0]).diff() % (2 * math.pi)
    torch.testing.assert_close(steps, torch.full((11,), 2 * math.pi / 12), atol=1e-3, rtol=0)
    middle = cameras.cam_from_world[:, :3, :3] @ target + cameras.cam_from_world[:, :3, 3]
    torch.testing.assert_close(middle[:, :2], torch.zeros(12, 2), atol=1e-3, rtol=0)
    assert (cameras.cam_from_world[:, 1, 2] < 0).all()  # the picture's down is not the world's up
    assert (int(cameras.width[0]), int(cameras.height[0])) == (64, 48)


def test_photos_from_one_side_are_not_circled(room: Room) -> None:
    cameras = orbit_cameras(ring(room, [-20, -10, 0, 15, 25]), 40)
    offsets = cameras.position - torch.tensor([1.0, 2.0, 3.0])
    azimuth = torch.rad2deg(torch.atan2(offsets[:, 1], offsets[:, 0]))
    assert float(azimuth.min()) == pytest.approx(-20, abs=0.5)
    assert float(azimuth.max()) == pytest.approx(25, abs=0.5)


def test_parallel_cameras_still_have_something_to_look_at(room: Room) -> None:
    pose = room.cameras.cam_from_world[0].repeat(3, 1, 1)
    pose[:, 0, 3] += torch.tensor([-0.3, 0.0, 0.3])
    scene = replace(room.scene(), cameras=replace(room.cameras[:3], cam_from_world=pose), train=(0, 1, 2), test=())
    cameras = orbit_cameras(replace(scene, names=room.names[:3]), 4)
    assert torch.isfinite(cameras.cam_from_world).all()


def test_the_orbit_is_a_video_that_every_player_shows(room: Room, tmp_path: Path) -> None:
    import av

    cameras = orbit_cameras(room.scene(), 7)
    write_video(Gradient(), cameras, tmp_path / "out" / "orbit.mp4", fps=10, background=BLACK, progress=silent)
    with av.open(str(tmp_path / "out" / "orbit.mp4")) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
    assert len(frames) == 7
    assert frames[3].shape == (48, 64, 3)
    assert abs(int(frames[3][24, 60, 0]) - 239) < 12
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["orbit.mp4"]


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outcome(name: str = "scene", scores: tuple[float, ...] = (30.0, 20.0)) -> Outcome:
    views = tuple(ViewScore(f"{i}.jpg", psnr, 0.9) for i, psnr in enumerate(scores))
    no_points = Points(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.uint8))
    posed = Reconstruction((), no_points, (LeftOut("<x>.jpg", "is cut & torn"),))
    picture = torch.zeros(4, 6, 3, dtype=torch.uint8)
    mean = sum(scores) / len(scores) if scores else math.nan
    return Outcome(
        name=name,
        photos=3,
        reconstruction=posed,
        trained=2,
        metrics=Metrics(mean, 0.9 if scores else math.nan, views, 0.1),
        comparisons=tuple(Comparison(view.name, view.psnr, view.ssim, picture, picture) for view in views),
        steps=100,
        size="12,345 Gaussians",
        stages=(("train", 1.5, 10**9),),
        records=tuple({"step": step, "losses": {"l1": 1 / step}} for step in range(1, 9)),
    )


def test_the_report_works_offline_and_names_what_was_left_out(tmp_path: Path) -> None:
    write_report(outcome(name="<b>my & scene"), tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    tags = Tags()
    tags.feed(page)
    assert tags.open == []
    assert len(tags.addresses) == 4
    assert all(address.startswith("data:image/jpeg;base64,") for address in tags.addresses)
    for expected in ("25.00 dB", "12,345", "&lt;x&gt;.jpg", "is cut &amp; torn", "&lt;b&gt;my", "polyline", "few"):
        assert expected in page, expected


def test_a_report_without_held_out_photos_says_how_to_measure(tmp_path: Path) -> None:
    write_report(outcome(scores=()), tmp_path / "report.html")
    assert "--hold-out 8" in (tmp_path / "report.html").read_text()
    assert "nan" not in (tmp_path / "report.html").read_text()
