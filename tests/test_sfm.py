"""Photos find their places, and photos that cannot are named with the reason. Real COLMAP, on a few small pictures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageFilter

from recon.datasets import demo_capture, demo_truth
from recon.errors import InputError, RunError
from recon.geometry import camera_positions
from recon.io.lens import pixels_of
from recon.io.photos import read_capture
from recon.sfm import child, poses
from recon.sfm.config import PosesConfig
from recon.sfm.features import find_features
from recon.sfm.images import provide_images
from recon.sfm.job import Job, Shot
from recon.sfm.pairs import choose_pairs
from recon.sfm.poses import pose_photos
from recon.types import Capture, Reconstruction

SEEN = tuple(f"studio_{number:03}.jpg" for number in range(1, 11))


@dataclass(frozen=True)
class Posed:
    capture: Capture
    workspace: Path
    reconstruction: Reconstruction
    progress: list[tuple[str, float]]


@pytest.fixture(scope="module")
def posed(tmp_path_factory: pytest.TempPathFactory) -> Posed:
    """Ten neighbouring demo photos, a copy, a blurred one and a stranger."""
    folder, workspace = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("workspace")
    for name in SEEN:
        (folder / name).write_bytes((demo_capture() / name).read_bytes())
    (folder / "zz_copy.jpg").write_bytes((folder / SEEN[3]).read_bytes())
    _blurred(folder / SEEN[4], folder / "zz_blurred.jpg")
    _texture(1).save(folder / "zz_stranger.jpg")
    capture, progress = read_capture(folder), []
    reconstruction = pose_photos(capture, PosesConfig(), workspace, lambda *report: progress.append(report))
    return Posed(capture, workspace, reconstruction, progress)


def test_overlapping_photos_all_find_their_places(posed: Posed) -> None:
    assert tuple(view.name for view in posed.reconstruction.views) == SEEN
    assert len(posed.reconstruction.points) > 500
    assert posed.reconstruction.mean_track_length is not None
    assert posed.reconstruction.mean_track_length > 2.5
    assert posed.reconstruction.mean_reprojection_error is not None
    assert posed.reconstruction.mean_reprojection_error < 1


def test_the_places_are_the_true_ones(posed: Posed) -> None:
    found, true = _both_positions(posed)
    centered = found - found.mean(axis=0), true - true.mean(axis=0)
    u, stretch, vt = np.linalg.svd(centered[0].T @ centered[1])
    rotation = vt.T @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ u.T
    scale = stretch.sum() / (centered[0] ** 2).sum()
    error = np.linalg.norm(scale * centered[0] @ rotation.T - centered[1], axis=1)
    assert error.max() < 0.02  # metres; the cameras are spread over more than one
    assert (rotation @ [0, -1, 0])[2] > np.cos(np.radians(15))  # gravity along +y: our up is the truth's z
    assert posed.reconstruction.up is not None
    assert posed.reconstruction.up.tolist() == [0, -1, 0]


def test_photos_without_a_place_are_named_with_the_reason(posed: Posed) -> None:
    reasons = {left.name: left.reason for left in posed.reconstruction.left_out}
    assert reasons.keys() == {"zz_copy.jpg", "zz_blurred.jpg", "zz_stranger.jpg"}
    assert "exact copy of studio_004.jpg" in reasons["zz_copy.jpg"]
    assert "blurred" in reasons["zz_blurred.jpg"]
    assert "shows nothing that another photo shows" in reasons["zz_stranger.jpg"]


def test_points_have_the_colours_of_the_photos(posed: Posed) -> None:
    view, points = posed.reconstruction.views[0], posed.reconstruction.points
    in_camera = points.xyz.numpy() @ view.cam_from_input[:3, :3].T + view.cam_from_input[:3, 3]
    pixel = pixels_of(view.lens, in_camera[:, :2] / in_camera[:, 2:]).astype(int)
    inside = ((pixel >= 0) & (pixel < 400)).all(axis=1) & (in_camera[:, 2] > 0)
    picture = np.asarray(Image.open(view.path).convert("RGB")).astype(int)
    error = np.abs(picture[pixel[inside, 1], pixel[inside, 0]] - points.rgb.numpy()[inside].astype(int))
    assert np.median(error) < 16


def test_colmap_reads_what_is_left_in_the_workspace(posed: Posed) -> None:
    import pycolmap

    model = pycolmap.Reconstruction(posed.workspace / "sparse" / "0")
    assert {image.name for image in model.images.values() if image.has_pose} == set(SEEN)
    assert all((posed.workspace / "images" / name).is_file() for name in SEEN)
    first = posed.reconstruction.views[0]
    image = model.find_image_with_name(first.name)
    assert image is not None
    assert np.allclose(image.cam_from_world().matrix(), first.cam_from_input[:3])


def test_progress_counts_up_in_every_stage(posed: Posed) -> None:
    slow_to_start = "Getting ready"
    stages = list(dict.fromkeys(stage for stage, _ in posed.progress if stage != slow_to_start))
    assert stages[:2] == ["Finding features", "Matching features"]
    for stage in stages:
        fractions = [fraction for name, fraction in posed.progress if name == stage]
        assert fractions == sorted(fractions)
        assert fractions[0] >= 0
        assert fractions[-1] <= 1
    assert len({fraction for stage, fraction in posed.progress if stage == "Finding features"}) == 12


def test_the_same_photos_and_options_are_not_posed_again(posed: Posed, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("posed again")

    monkeypatch.setattr(poses, "run_worker", refuse)
    again = pose_photos(posed.capture, PosesConfig(), posed.workspace)
    assert [view.name for view in again.views] == list(SEEN)
    assert again.left_out == posed.reconstruction.left_out
    with pytest.raises(AssertionError, match="posed again"):
        pose_photos(posed.capture, PosesConfig(seed=1), posed.workspace)
    fewer = replace(posed.capture, photos=posed.capture.photos[1:])
    with pytest.raises(AssertionError, match="posed again"):
        pose_photos(fewer, PosesConfig(), posed.workspace)


def test_one_photo_is_refused_with_advice(posed: Posed, tmp_path: Path) -> None:
    alone = replace(posed.capture, photos=posed.capture.photos[:1])
    with pytest.raises(InputError, match="one photo") as caught:
        pose_photos(alone, PosesConfig(), tmp_path)
    assert "20 or more" in caught.value.advice


def test_photos_that_lie_in_the_workspace_stay_there(tmp_path: Path) -> None:
    """`recon poses scene --output scene`, with the photos in scene/images."""
    shots = tuple(_shot(tmp_path / "images" / name) for name in SEEN[:2])
    (tmp_path / "images").mkdir()
    for shot in shots:
        shot.path.write_bytes((demo_capture() / shot.name).read_bytes())
    provide_images(shots, tmp_path / "images", "key", threads=1)
    assert sorted(path.name for path in (tmp_path / "images").iterdir()) == list(SEEN[:2])
    assert not any(shot.path.is_symlink() for shot in shots)


def test_photos_that_share_nothing_are_refused(tmp_path: Path) -> None:
    _save(tmp_path, [_texture(seed) for seed in range(3)])
    with pytest.raises(InputError, match="No two of the 3 photos show the same thing"):
        pose_photos(read_capture(tmp_path), PosesConfig(no_retry=True), tmp_path / "work")
    assert not (tmp_path / "work" / "sparse").exists()


def test_blank_walls_are_refused_as_such(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    ramp = np.linspace(100, 160, 400)[None, :, None]
    walls = [(ramp + noise.normal(0, 2, (300, 400, 3))).clip(0, 255).astype(np.uint8) for _ in range(3)]
    _save(tmp_path, [Image.fromarray(wall) for wall in walls])
    with pytest.raises(InputError, match="too little detail"):
        pose_photos(read_capture(tmp_path), PosesConfig(), tmp_path / "work")


def test_a_camera_that_only_turns_is_told_so(tmp_path: Path) -> None:
    with Image.open(demo_capture() / SEEN[0]) as photo:
        large = photo.convert("RGB").resize((1000, 1000), Image.Resampling.BICUBIC)
    _save(tmp_path, [_turned(large, degrees) for degrees in (-8, -4, 0, 4, 8)])
    with pytest.raises(InputError, match="camera did not move"):
        pose_photos(read_capture(tmp_path), PosesConfig(), tmp_path / "work")


def test_masked_pixels_have_no_features(tmp_path: Path) -> None:
    left_black = np.zeros((400, 400), np.uint8)
    left_black[:, 200:] = 255
    Image.fromarray(left_black).save(tmp_path / "mask.png")
    free = _features(_shot(demo_capture() / SEEN[0]))
    masked = _features(replace(_shot(demo_capture() / SEEN[0]), mask=tmp_path / "mask.png"))
    assert (free.keypoints[:, 0] < 200).sum() > 50
    assert masked.keypoints[:, 0].min() >= 199
    assert len(masked) == (free.keypoints[:, 0] >= 200).sum()


def test_turned_photos_are_seen_upright(tmp_path: Path) -> None:
    with Image.open(demo_capture() / SEEN[0]) as photo:
        upright = photo.convert("RGB").crop((0, 0, 400, 300))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.png", exif=exif)
    first, second = (_features(_shot(tmp_path / name, 400, 300)) for name in ("upright.png", "turned.png"))
    assert np.array_equal(first.keypoints, second.keypoints)


def test_pairs_follow_the_order_and_close_the_loop() -> None:
    shots = tuple(_shot(demo_capture() / f"studio_{number:03}.jpg") for number in (*range(1, 27, 2), 2))
    features = find_features(shots, image_size=400, max_features=500, fine=False, threads=2, progress=lambda done: None)
    pairs = choose_pairs(features, ordered=True, mode="sequential", neighbours=4, threads=2, progress=lambda done: None)
    assert {(i, i + 1) for i in range(13)} <= set(pairs)
    assert (0, 13) in pairs  # the last photo was taken beside the first
    assert len(pairs) < 14 * 13 / 2


def test_a_worker_that_dies_is_an_error_with_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _fake_worker(tmp_path, monkeypatch, "echo 'F sift.cc: Check failed' >&2; kill -ABRT $$")
    with pytest.raises(RunError, match=r"SIGABRT.*Check failed"):
        child.run_worker(_empty_job(tmp_path), tmp_path / "log", lambda stage, fraction: None)


def test_an_interrupted_caller_takes_the_worker_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'echo $$ > {tmp_path}/pid; echo \'{{"stage": "s", "fraction": 0}}\'; exec sleep 60'
    _fake_worker(tmp_path, monkeypatch, script)

    def interrupt(stage: str, fraction: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        child.run_worker(_empty_job(tmp_path), tmp_path / "log", interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


def test_whoever_waits_for_a_silent_worker_can_give_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = f'echo $$ > {tmp_path}/pid; echo \'{{"stage": "s", "fraction": 0.5}}\'; exec sleep 60'
    _fake_worker(tmp_path, monkeypatch, script)
    monkeypatch.setattr(child, "_PATIENCE", 0.05)
    heard: list[tuple[str, float]] = []

    def give_up(stage: str, fraction: float) -> None:
        heard.append((stage, fraction))
        if heard.count(("s", 0.5)) == 3:  # it was said once
            raise RunError("No time is left.")

    with pytest.raises(RunError, match="No time"):
        child.run_worker(_empty_job(tmp_path), tmp_path / "log", give_up)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_killed_parent_leaves_no_worker_and_no_half_result(posed: Posed, tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from recon.io.photos import read_capture\n"
        "from recon.sfm.config import PosesConfig; from recon.sfm.poses import pose_photos\n"
        "folder, work = map(Path, sys.argv[1:])\n"
        "pose_photos(read_capture(folder), PosesConfig(), work, lambda *report: print('on', flush=True))"
    )
    command = [sys.executable, "-c", program, str(posed.capture.folder), str(tmp_path / "work")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"on\n"
        workers = _children(parent.pid)
        assert len(workers) == 1
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while any(_lives(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_lives(worker) for worker in workers)
    assert not (tmp_path / "work" / "sparse").exists()


def _both_positions(posed: Posed) -> tuple[np.ndarray, np.ndarray]:
    import json

    truth = json.loads((demo_truth() / "poses.json").read_text())["cam_from_world"]
    found = np.stack([view.cam_from_input for view in posed.reconstruction.views])
    true = np.array([truth[view.name] for view in posed.reconstruction.views])
    return camera_positions(found), camera_positions(true)


def _texture(seed: int) -> Image.Image:
    """Blotches at many scales: full of features, none of them elsewhere."""
    noise = np.random.default_rng(seed)
    sizes = (10, 40, 160)
    layers = [Image.fromarray(noise.integers(0, 256, (size, size, 3), dtype=np.uint8)) for size in sizes]
    large = [np.asarray(layer.resize((400, 400), Image.Resampling.BICUBIC), dtype=np.float32) for layer in layers]
    return Image.fromarray(np.mean(large, axis=0).astype(np.uint8))


def _blurred(photo: Path, blurred: Path) -> None:
    with Image.open(photo) as image:
        image.filter(ImageFilter.GaussianBlur(4)).save(blurred, exif=image.getexif(), quality=95)


def _turned(large: Image.Image, degrees: float) -> Image.Image:
    """What a camera sees that has turned about its vertical axis, in 400 x 300 pixels."""
    angle, focal = np.radians(degrees), 1200.0
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    large_from_ray = np.array([[focal, 0, 500], [0, focal, 500], [0, 0, 1]])
    ray_from_small = np.linalg.inv(np.array([[focal / 1.6, 0, 200], [0, focal / 1.6, 150], [0, 0, 1]]))
    h = large_from_ray @ turn @ ray_from_small
    coefficients = tuple((h / h[2, 2]).ravel()[:8])
    return large.transform((400, 300), Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC)


def _save(folder: Path, pictures: list[Image.Image]) -> None:
    for number, picture in enumerate(pictures):
        picture.save(folder / f"{number}.png")


def _shot(path: Path, width: int = 400, height: int = 400) -> Shot:
    return Shot(path.name, path, width, height, None, 1, None, "")


def _features(shot: Shot):
    return find_features((shot,), image_size=400, max_features=2000, fine=False, threads=1, progress=lambda done: None)[
        0
    ]


def _empty_job(folder: Path) -> Job:
    return Job((), False, PosesConfig(), folder, "key")


def _fake_worker(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    fake = folder / "fake"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    fake.chmod(0o755)
    monkeypatch.setattr(child.sys, "executable", str(fake))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("words", "free", "full"),
    [
        ("SQLite error [database.cc]: database or disk is full\n", 0, True),
        ("No registered database factory succeeded.\n", 1 << 20, True),
        ("No registered database factory succeeded.\n", 1 << 40, False),
        ('Traceback (most recent call last):\n  File "x.py", line 1\n    f()\n    ^^^\nValueError: why\n', 0, False),
    ],
)
def test_a_full_disk_is_told_from_a_breakdown(
    words: str, free: int, full: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "colmap.log"
    log.write_text(words)
    monkeypatch.setattr(child.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    error = child._died(1, log)
    assert ("no space left" in error.message) == full
    assert ("Free some space" in error.advice) == full
    assert full or words.strip().splitlines()[-1].rstrip(".") in error.message
    assert "Traceback" not in str(error)
    assert "File" not in str(error)
