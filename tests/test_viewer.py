"""The live viewer: what its parts decide, and what a browser shows of it."""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from balls_field import blob_field
from blobs import COLOURS, Blobs, Painter, blob_scene
from browser import Page, open_page, wait

from recon.errors import InputError
from recon.types import Renderer, StepReport
from recon.viewer import Viewer
from recon.viewer.outlook import outlook_of
from recon.viewer.pace import Pace
from recon.viewer.panel import Progress
from recon.viewer.splats import splats_from
from recon.viewer.view import View, fov_that_holds

WIDTH, HEIGHT = 1000, 400
PANEL = 330
"""Pixels at the right edge of the page that the panel may cover."""


class Training:
    """Steps that change nothing, in a thread of their own: what the command's loop does with a viewer."""

    def __init__(self, viewer: Viewer, model: Renderer) -> None:
        self.viewer, self.steps = viewer, 0
        self._model, self._over = model, threading.Event()
        self._thread = threading.Thread(target=self._train)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _train(self) -> None:
        while not self._over.is_set():
            self.steps += 1
            report = StepReport(self.steps, {"l1": torch.tensor(0.1)}, size="600 Gaussians")
            self.viewer.update(report, steps=100_000, seconds_left=61.0, psnr=25.0)
            self.viewer.serve_pending(self._model)
            self.viewer.serve_while(self._model, lambda: self.viewer.paused and not self._over.is_set())
            time.sleep(0.01)


class Served:
    """A viewer of a model that no longer changes, served in a thread of its own."""

    def __init__(self, viewer: Viewer, model: Renderer) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=viewer.serve_while, args=(model, lambda: not self._over.is_set()))
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = open_page(tmp_path_factory.mktemp("chromium"), width=WIDTH, height=HEIGHT)
    page.addresses()  # of Chromium's own first page
    yield page
    page.driver.quit()


@pytest.fixture(scope="module")
def training(page: Page) -> Iterator[Training]:
    """The page shows the first view of a model in training."""
    training = Training(Viewer(blob_scene(), port=0), Blobs())
    page.open(training.viewer.address)
    wait(lambda: seen(page), "the scene")
    yield training
    training.stop()
    training.viewer.close()


@pytest.fixture
def at_home(training: Training, page: Page) -> Page:
    """Every test starts from the first view."""
    if not symmetric(places(page)):
        page.click("First view")
        wait(lambda: seen(page) and symmetric(places(page)), "the first view")
    return page


def places(page: Page) -> dict[str, tuple[float, float, int]]:
    """Where each colour is on the page."""
    return places_in(page.picture())


def places_in(picture: np.ndarray) -> dict[str, tuple[float, float, int]]:
    """Median x and y of each colour, and how many pixels have it; left of the panel."""
    found = {}
    for name, colour in COLOURS.items():
        rows, columns = np.nonzero(np.abs(picture[:, : WIDTH - PANEL].astype(int) - colour).max(axis=-1) < 40)
        middle = (float(np.median(columns)), float(np.median(rows))) if len(rows) > 0 else (math.nan, math.nan)
        found[name] = (*middle, len(rows))
    return found


def seen(page: Page) -> bool:
    return all(count > 500 for *_, count in places(page).values())


def symmetric(found: dict[str, tuple[float, float, int]]) -> bool:
    """The camera stands in front: blue in the middle, red and green as far to its sides."""
    red, green, blue = (found[name][0] for name in ("red", "green", "blue"))
    return red < blue < green and abs(blue - WIDTH / 2) < 20 and abs(red + green - WIDTH) < 20


# --- In the browser -------------------------------------------------------------------------------------------------


def test_colours_are_where_they_are_in_the_world_the_right_way_up(at_home: Page) -> None:
    assert_upright(places(at_home))


def test_splats_drawn_by_the_browser_look_the_same(training: Training, at_home: Page) -> None:
    rendered = places(at_home)

    def alike(pixels: float) -> bool:
        found = places(at_home) if seen(at_home) else {}
        return all(name in found and math.dist(found[name][:2], rendered[name][:2]) < pixels for name in COLOURS)

    at_home.choose("Splats (fast)", instead_of="Rendered (exact)")
    try:
        wait(lambda: not training.viewer.exact and places(at_home)["red"][:2] != rendered["red"][:2], "the switch")
        wait(lambda: alike(15), "splats where the rendered colours were")
        assert_upright(places(at_home))
    finally:
        at_home.choose("Rendered (exact)", instead_of="Splats (fast)")
        # Pictures come with fewer pixels while the page is slow: where a colour lies then moves by less than three.
        wait(lambda: training.viewer.exact and alike(3), "rendered pictures", seconds=60)


def test_a_page_that_is_loaded_again_shows_rendered_pictures(training: Training, at_home: Page) -> None:
    at_home.choose("Splats (fast)", instead_of="Rendered (exact)")
    wait(lambda: not training.viewer.exact, "splats")
    at_home.driver.refresh()
    wait(lambda: training.viewer.exact, "the reset")
    wait(lambda: seen(at_home), "the scene")


def assert_upright(found: dict[str, tuple[float, float, int]]) -> None:
    assert found["red"][0] < found["blue"][0] < found["green"][0]
    assert found["blue"][1] < found["red"][1] - 50
    assert abs(found["red"][1] - found["green"][1]) < 20


def test_the_page_asks_nothing_of_other_machines(training: Training, page: Page) -> None:
    local = (training.viewer.address, f"ws{training.viewer.address.removeprefix('http')}", "data:", "blob:")
    assert [address for address in page.addresses() if not address.startswith(local)] == []


def test_dragging_orbits_around_the_scene(at_home: Page) -> None:
    at_home.drag((60, 0), start=(250, 350))
    wait(lambda: not symmetric(places(at_home)), "another picture")
    wait(lambda: places(at_home)["blue"][2] > 500, "the picture to settle")
    found = places(at_home)
    assert abs(found["blue"][0] - WIDTH / 2) < 100, "what is looked at stays in the middle"
    assert found["blue"][1] < found["red"][1], "and up stays up"


def test_rendered_pictures_are_what_the_model_draws(at_home: Page) -> None:
    scene = blob_scene()
    home = outlook_of(scene, 0)
    fov = fov_that_holds(scene.cameras[0], WIDTH / HEIGHT)
    view = View(tuple(home.position.tolist()), tuple(home.wxyz.tolist()), fov, WIDTH, HEIGHT)
    drawn = places_in((Painter().render(view.camera(WIDTH)).rgb * 255).numpy())

    def same() -> bool:
        found = places(at_home)  # the page draws fewer pixels where graphics are slow, and the photos show discs too
        near = all(math.dist(found[name][:2], drawn[name][:2]) < 3 for name in COLOURS)
        return near and all(0.85 < found[name][2] / drawn[name][2] < 1.15 for name in COLOURS)

    wait(same, "the model's own picture")


def test_pause_holds_the_training_and_go_on_releases_it(training: Training, at_home: Page) -> None:
    at_home.click("Pause")
    wait(lambda: training.viewer.paused, "the pause")
    before = training.steps
    time.sleep(0.3)
    assert training.steps <= before + 1
    at_home.click("Go on")
    wait(lambda: training.steps > before + 1, "another step")


def test_the_panel_tells_how_training_goes(training: Training, at_home: Page) -> None:
    text = at_home.text()
    assert "of 100 000 · 1 min 01 s left" in text
    assert "PSNR 25.00 dB\n600 Gaussians" in text


def test_clicking_a_photo_stands_where_it_was_taken_and_shows_it(training: Training, at_home: Page) -> None:
    wait(lambda: whitest(at_home) is not None, "a photo in the scene")
    spot = whitest(at_home)
    assert spot is not None
    at_home.click_at(*spot)
    wait(lambda: "photo_3.jpg" in at_home.text(), "the name of the photo across")
    wait(lambda: seen(at_home) and places(at_home)["green"][0] < places(at_home)["red"][0], "the view from behind")
    at_home.click("Next")
    wait(lambda: "photo_4.jpg" in at_home.text(), "the next photo")
    at_home.click("Close")
    wait(lambda: "photo_4.jpg" not in at_home.text(), "the photo to go")


def whitest(page: Page) -> tuple[int, int] | None:
    """The middle of the white photo straight across, or None."""
    region = page.picture()[100:, WIDTH // 2 - 60 : WIDTH // 2 + 60]
    rows, columns = np.nonzero((region > 230).all(axis=-1))
    return (int(np.median(columns)) + WIDTH // 2 - 60, int(np.median(rows)) + 100) if len(rows) > 100 else None


def test_a_window_the_size_of_a_phone_shows_the_scene(training: Training, page: Page) -> None:
    page.resize(390, 780)
    try:
        page.click("First view")
        wait(lambda: places(page)["blue"][2] > 300, "the scene")
        found = places(page)
        assert abs(found["blue"][0] - 195) < 20
        assert found["red"][0] < 195
    finally:
        page.resize(WIDTH, HEIGHT)


def test_a_model_without_gaussians_is_drawn_by_itself(page: Page, training: Training) -> None:
    other = Training(Viewer(blob_scene(), port=0), Painter())
    try:
        page.open(other.viewer.address)
        wait(lambda: seen(page) and symmetric(places(page)), "rendered pictures")
        assert "Picture" not in page.text()
    finally:
        other.stop()
        other.viewer.close()


def test_a_radiance_field_orbits(page: Page, training: Training) -> None:
    """Drawn by the model's own rays, on the server: where its balls are, and where they are after a turn."""
    viewer, model = Viewer(blob_scene(), port=0), blob_field()
    served = Served(viewer, model)
    try:
        page.open(viewer.address)
        wait(lambda: seen(page) and symmetric(places(page)), "rendered balls", seconds=60)
        assert_upright(places(page))
        page.drag((60, 0), start=(250, 350))
        wait(lambda: not symmetric(places(page)), "another picture", seconds=60)
        wait(lambda: places(page)["blue"][2] > 500, "the picture to settle", seconds=60)
        found = places(page)
        assert abs(found["blue"][0] - WIDTH / 2) < 100, "what is looked at stays in the middle"
        assert found["blue"][1] < found["red"][1], "and up stays up"
    finally:
        served.stop()
        viewer.close()


def test_a_page_whose_training_is_over_says_so_and_still_answers(page: Page, training: Training) -> None:
    viewer, model = Viewer(blob_scene(), port=0), Painter()
    report = StepReport(7000, {"l1": torch.tensor(0.1)}, size="600 Gaussians")
    viewer.update(report, steps=7000)
    served = Served(viewer, model)
    try:
        page.open(viewer.address)
        wait(lambda: "Pause" in page.text(), "the panel")
        viewer.finish()
        wait(lambda: "Training is over.\nStep 7 000" in page.text(), "the end of the training")
        assert "Pause" not in page.text()
        wait(lambda: seen(page), "the scene")
    finally:
        served.stop()
        viewer.close()


# --- Without one ----------------------------------------------------------------------------------------------------


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
