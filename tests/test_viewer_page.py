"""The live viewer as a browser shows it, by the pixels of its page."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from balls_field import blob_field
from blobs import COLOURS, Blobs, Painter, blob_scene
from browser import Page, Served, open_page, wait

from recon.types import Renderer, StepReport
from recon.viewer import Viewer
from recon.viewer.outlook import outlook_of
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
