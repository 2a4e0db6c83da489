"""Films: smooth ways through views, files of views, and what the viewer saves."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from blobs import Painter, blob_scene

from recon.errors import InputError
from recon.export.film import export_film, film_cameras
from recon.export.travel import shortest_order, smoothed, steps_between, through
from recon.export.work import Work
from recon.geometry import camera_positions, look_at
from recon.io.keyframes import Keyframe, keyframes_text, read_keyframes
from recon.viewer.keyframes import Keyframes

UP = np.array([0.0, 0.0, 1.0])


def looking_in(angles: list[float], radius: float = 4.0) -> np.ndarray:
    eyes = [np.array([radius * math.sin(a), -radius * math.cos(a), 0.5]) for a in angles]
    return np.stack([look_at(eye, np.zeros(3), UP) for eye in eyes])


def silent(done: float, text: str) -> None:
    assert 0 <= done <= 1


def test_the_way_passes_through_every_view_at_constant_speed() -> None:
    keys = looking_in([0.0, 0.1, 0.9, 1.0, 2.2])
    poses, values = through(keys, np.array([1.0, 2.0, 3.0, 2.0, 1.0]), 400, depth=4.0)
    for key in keys:
        nearest = steps_between(np.repeat(key[None], len(poses), axis=0), poses, 4.0).min()
        assert nearest < 0.01, "400 frames of 4.4 radians and quarter lengths"
    speed = steps_between(poses[:-1], poses[1:], 4.0)
    assert speed.max() < 1.02 * speed.min(), "the dense samples between which speed is evened out are this exact"
    np.testing.assert_allclose(poses[[0, -1]], keys[[0, -1]], atol=1e-9)
    assert values.min() >= 1.0
    assert values.max() <= 3.0
    np.testing.assert_allclose(np.linalg.det(poses[:, :3, :3]), 1, atol=1e-9)


def test_views_that_repeat_or_only_turn_are_passed_too() -> None:
    here = look_at(np.zeros(3), np.array([1.0, 0, 0]), UP)
    turned = look_at(np.zeros(3), np.array([0.0, 1, 0]), UP)
    poses, _ = through(np.stack([here, here, turned, turned]), np.ones(4), 50, depth=1.0)
    assert np.isfinite(poses).all()
    np.testing.assert_allclose(poses[25, 2, :3], [math.sqrt(0.5), math.sqrt(0.5), 0], atol=0.03)
    still, _ = through(np.stack([here, here]), np.ones(2), 5, depth=1.0)
    np.testing.assert_allclose(still, np.repeat(here[None], 5, axis=0))


def test_the_trembling_of_a_hand_is_smoothed_away_and_the_ends_stay() -> None:
    draw = np.random.default_rng(0)
    angles = np.linspace(0, 2, 60)
    steady = looking_in(list(angles))
    shaken = looking_in(list(angles + draw.normal(0, 0.01, 60)), radius=4.0)
    shaken[:, :3, 3] += draw.normal(0, 0.03, (60, 3))
    calm = smoothed(shaken, 4.0)

    def trembling(poses: np.ndarray) -> float:
        """Across the way; along it, speed is evened out later."""
        x, y, z = camera_positions(poses).T
        return float(np.abs(np.diff(np.stack([np.hypot(x, y), z])[:, 8:-8], n=2)).mean())

    assert trembling(calm) < 0.15 * trembling(shaken)
    assert np.linalg.norm(camera_positions(calm) - camera_positions(steady), axis=1).max() < 0.12
    np.testing.assert_allclose(calm[[0, -1]], shaken[[0, -1]], atol=1e-12)


def test_photos_in_no_order_are_visited_from_nearest_to_nearest() -> None:
    angles = np.linspace(0, 3, 30)
    mixed = np.random.default_rng(1).permutation(30)
    mixed = np.concatenate([[0], mixed[mixed != 0]])
    order = shortest_order(looking_in(list(angles[mixed])), 4.0)
    np.testing.assert_array_equal(mixed[order], np.arange(30))
    np.testing.assert_array_equal(shortest_order(looking_in(list(angles)), 4.0), np.arange(30))


def test_views_of_a_file_are_in_the_frame_of_the_input(tmp_path: Path) -> None:
    input_from_world = torch.tensor([[2.0, 0, 0, 10], [0, 2, 0, 0], [0, 0, 2, -5], [0, 0, 0, 1]])
    scene = replace(blob_scene(), input_from_world=input_from_world)
    views = (
        Keyframe((10.0, -8.0, -5.0), (1.0, 0.0, 0.0, 0.0), 0.8),
        Keyframe((12.0, -8.0, -5.0), (1.0, 0.0, 0.0, 0.0), 0.4),
    )
    (tmp_path / "views.json").write_text(keyframes_text(views))
    read = read_keyframes(tmp_path / "views.json")
    assert [k.position for k in read] == [k.position for k in views]
    cameras = film_cameras(scene, read, fps=10, seconds=2.0)
    assert len(cameras) == 20
    torch.testing.assert_close(cameras.position[[0, -1]], torch.tensor([[0.0, -4, 0], [1.0, -4, 0]]), atol=1e-5, rtol=0)
    assert float(cameras.focal[0, 1]) == pytest.approx(40 / math.tan(0.4), rel=1e-5)
    assert float(cameras.focal[-1, 1]) == pytest.approx(40 / math.tan(0.2), rel=1e-5)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[", "no JSON"),
        ("[1]", "no views saved by recon"),
        ('{"format": "recon views", "views": []}', "holds 0 views"),
        ('{"format": "recon views", "views": [{}, {}]}', "position of view 1 is not 3 finite numbers"),
    ],
)
def test_files_that_hold_no_views_are_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "views.json").write_text(text)
    with pytest.raises(InputError, match=said) as refused:
        read_keyframes(tmp_path / "views.json")
    assert "Add view" in refused.value.advice


@pytest.mark.parametrize(
    ("name", "value"),
    [("position", [0, 0, math.nan]), ("position", [0, 0]), ("wxyz", [0, 0, 0, 0]), ("wxyz", "abcd")]
    + [("fov_degrees", degrees) for degrees in (0, 180, None, True, 1e400)],
)
def test_views_that_no_camera_can_have_are_refused(tmp_path: Path, name: str, value: Any) -> None:
    tree = json.loads(keyframes_text([Keyframe((0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 0.0), 1.0)] * 3))
    tree["views"][1][name] = value
    (tmp_path / "views.json").write_text(json.dumps(tree))
    with pytest.raises(InputError, match="view 2"):
        read_keyframes(tmp_path / "views.json")


def test_films_become_what_their_name_says(tmp_path: Path) -> None:
    import av

    work = Work(Painter(), blob_scene())
    written = export_film(work, tmp_path / "my-path.mp4", silent)
    assert written.facts["way"] == "path"
    assert written.facts["frames"] == 240
    with av.open(str(tmp_path / "my-path.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.name, stream.width, stream.height, stream.frames) == ("h264", 120, 80, 240)
    views = tuple(Keyframe((x, -4.0, 0.3), (1.0, 0.0, 0.0, 0.0), 0.8) for x in (0.0, 0.1))
    written = export_film(replace(work, keyframes=views), tmp_path / "a.mp4", silent)
    assert written.says.startswith("2 views, 75 frames")


def test_an_interrupted_film_leaves_no_half_file(tmp_path: Path) -> None:
    def interrupted(done: float, text: str) -> None:
        if done > 0.05:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_film(Work(Painter(), blob_scene()), tmp_path / "orbit.mp4", interrupted)
    assert list(tmp_path.iterdir()) == []


class Gui:
    """As much of viser's as the panel's part for films uses."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: Part()


class Part(SimpleNamespace):
    def __enter__(self) -> Part:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def on_click(self, handler: Any) -> None:
        pass


def test_what_the_viewer_saves_makes_a_film_of_what_was_seen(tmp_path: Path) -> None:
    scene = replace(blob_scene(), input_from_world=torch.diag(torch.tensor([3.0, 3, 3, 1])))
    saved: list[bytes] = []
    panel = Keyframes(SimpleNamespace(gui=Gui()), scene, lambda wish: wish())
    for x in (0.0, 1.0, 2.0):
        camera = SimpleNamespace(
            position=(x, -4.0, 0.5), wxyz=(1.0, 0.0, 0.0, 0.0), fov=0.7, image_width=640, image_height=480
        )
        panel.add(SimpleNamespace(camera=camera))
    panel.drop()
    panel.save(SimpleNamespace(send_file_download=lambda name, data, **_: saved.append(data)))
    (tmp_path / "views.json").write_bytes(saved[0])
    cameras = film_cameras(scene, read_keyframes(tmp_path / "views.json"), fps=10)
    assert len(cameras) == 25
    torch.testing.assert_close(cameras.position[-1], torch.tensor([1.0, -4.0, 0.5]), atol=1e-5, rtol=0)
