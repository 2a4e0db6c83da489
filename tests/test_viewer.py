"""What the parts of the live viewer decide, without a browser."""

from __future__ import annotations

import math
import socket
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from blobs import COLOURS, Blobs, Painter, blob_scene

from recon.errors import InputError
from recon.types import StepReport
from recon.viewer import Viewer
from recon.viewer.outlook import outlook_of
from recon.viewer.pace import Pace
from recon.viewer.panel import Progress
from recon.viewer.splats import splats_from
from recon.viewer.view import View, fov_that_holds


def test_a_port_in_use_moves_the_viewer_to_the_next_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        viewer = Viewer(blob_scene(), port=port)
        viewer.close()
    assert viewer.port > port
    assert viewer.moved_from == port
    assert viewer.address == f"http://127.0.0.1:{viewer.port}"


def test_a_host_of_another_machine_is_an_error_with_advice() -> None:
    with pytest.raises(InputError, match=r"192\.0\.2\.1") as caught:
        Viewer(blob_scene(), host="192.0.2.1", port=7107)
    assert caught.value.advice != ""


def test_the_viewer_says_nothing_on_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    viewer = Viewer(blob_scene(), port=0)
    viewer.serve_pending(Blobs())
    viewer.close()
    viewer.close()
    assert capfd.readouterr().out == ""


def test_nobody_watching_costs_no_picture() -> None:
    viewer, model = Viewer(blob_scene(), port=0), Painter()
    for step in range(50):
        viewer.update(StepReport(step, {"l1": torch.tensor(0.1)}))
        viewer.serve_pending(model)
    viewer.close()
    assert model.renders == 0


def test_frames_shrink_while_the_camera_moves_and_sharpen_when_it_rests() -> None:
    pace = Pace()
    pace.spent(1200 * 600, 1.0, now=10.0)  # a second for a full frame

    def side(drawn: int, now: float) -> int:
        return pace.side(1200, 1200 * 600, moved=20.0, drawn=drawn, stale=False, training=False, now=now)

    quick = side(drawn=0, now=20.0)
    assert 120 <= quick < 400
    assert side(drawn=quick, now=20.1) == 0
    assert side(drawn=quick, now=20.5) == 1200
    assert side(drawn=1200, now=21.0) == 0


def test_a_slow_model_sharpens_by_steps_of_a_few_seconds() -> None:
    pace = Pace()
    pace.spent(100_000, 1.0, now=10.0)  # a full frame takes seven seconds

    def side(drawn: int, training: bool) -> int:
        return pace.side(1200, 720_000, moved=10.0, drawn=drawn, stale=False, training=training, now=20.0)

    first = side(drawn=120, training=True)
    assert first**2 * 720_000 / 1200**2 <= 200_000  # pixels: two seconds
    assert side(drawn=first, training=True) == 0  # training goes on
    assert first < side(drawn=first, training=False) <= 1200
    assert side(drawn=1200, training=False) == 0


def test_training_keeps_nine_tenths_of_the_time_when_the_camera_rests() -> None:
    pace, now, drawing = Pace(), 100.0, 0.0
    while now < 200.0:
        side = pace.side(1200, 720_000, moved=0.0, drawn=1200, stale=True, training=True, now=now)
        if side > 0:
            now, drawing = now + 0.3, drawing + 0.3
            pace.spent(720_000, 0.3, now)
        now += 0.02
    assert 0 < drawing < 0.1 * 100


def test_a_fast_model_is_drawn_in_full_while_the_camera_moves() -> None:
    pace = Pace()
    pace.spent(1200 * 600, 0.01, now=1.0)
    assert pace.side(1200, 720_000, moved=2.0, drawn=0, stale=False, training=False, now=2.0) == 1200


def test_splats_have_the_covariances_of_their_gaussians() -> None:
    gaussians = Blobs().gaussians()
    generator = torch.Generator().manual_seed(3)
    turned = replace(
        gaussians,
        quats=torch.randn(len(gaussians), 4, generator=generator),
        log_scales=torch.randn(len(gaussians), 3, generator=generator),
    )
    splats = splats_from(turned, unit=0.5)
    w, x, y, z = (turned.quats[7] / turned.quats[7].norm()).double().tolist()
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    variances = (2 * turned.log_scales[7].double()).exp().numpy() / 0.5**2
    np.testing.assert_allclose(splats.covariances[7], rotation @ np.diag(variances) @ rotation.T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(splats.centers[7], turned.means[7] / 0.5, rtol=1e-6)
    np.testing.assert_allclose(splats.rgb[7], np.array(COLOURS["red"]) / 255, atol=1e-6)


def test_broken_and_invisible_gaussians_are_not_sent() -> None:
    gaussians = Blobs().gaussians()
    gaussians.means[3, 1] = math.nan
    gaussians.opacity_logits[5] = -20.0
    assert len(splats_from(gaussians, unit=1.0).centers) == len(gaussians) - 2


def test_a_view_sees_straight_ahead_in_the_middle_and_up_above_it() -> None:
    scene = blob_scene()
    home = outlook_of(scene, 0)
    camera = View(tuple(home.position.tolist()), tuple(home.wxyz.tolist()), 1.0, 800, 400).camera(200)
    assert (int(camera.width), int(camera.height)) == (200, 100)
    torch.testing.assert_close(camera.cam_from_world, scene.cameras.cam_from_world[0])
    torch.testing.assert_close(camera.center, torch.tensor([100.0, 50.0]))
    edge = math.tan(0.5) * float(camera.focal[1])
    assert edge == pytest.approx(50.0), "the angle of view reaches from the upper edge to the lower"


def test_progress_reads_well() -> None:
    assert Progress(1200, 0.01234, "52,341 Gaussians", steps=7000, seconds_left=4000.0).lines() == (
        "**Step 1 200** of 7 000 · 1 h 06 min left  \nloss 0.0123  \n52 341 Gaussians"
    )


def test_a_photo_wider_than_the_window_is_shown_whole() -> None:
    camera = blob_scene().cameras[0]  # 120 x 80, focal 100
    assert fov_that_holds(camera, aspect=3.0) == pytest.approx(2 * math.atan(0.4))
    assert fov_that_holds(camera, aspect=0.5) == pytest.approx(2 * math.atan(1.2))


def test_nonsense_from_a_browser_is_not_drawn() -> None:
    sound = {"position": (0.0, 0.0, 0.0), "wxyz": (1.0, 0.0, 0.0, 0.0), "fov": 1.0}
    size = {"image_width": 640, "image_height": 480}
    assert View.of(SimpleNamespace(**sound, **size)) is not None
    assert View.of(SimpleNamespace(**sound | {"position": (math.nan, 0.0, 0.0)}, **size)) is None
    assert View.of(SimpleNamespace(**sound | {"wxyz": (0.0, 0.0, 0.0, 0.0)}, **size)) is None
    assert View.of(SimpleNamespace(**sound | {"fov": 0.0}, **size)) is None
    assert View.of(SimpleNamespace(**sound, **size | {"image_height": 0})) is None


def test_no_part_of_the_viewer_knows_a_model_by_name() -> None:
    parts = list((Path(__file__).parent.parent / "viewer").glob("*.py"))
    assert len(parts) > 0
    assert [path.name for path in parts if "recon.models" in path.read_text()] == []
