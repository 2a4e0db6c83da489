"""The page to send to somebody: what a browser shows of it, from the disk and without a network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from blobs import COLOURS, Blobs, blob_scene
from browser import Page, open_page, wait
from room import Room

from recon.export.around import around
from recon.export.outlook import look_of
from recon.export.splat_renderer import SplatRenderer
from recon.export.splats import export_splats
from recon.export.work import Work
from recon.geometry import look_at
from recon.io.splats.asset import SplatAsset
from recon.io.splats.formats import read_splats, write_splats
from recon.io.splats.look import Look, guessed_look
from recon.types import Cameras, Gaussians

WIDTH, HEIGHT = 600, 400


def silent(done: float, text: str) -> None:
    pass


@pytest.fixture(scope="module")
def blobs_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "scene.html"
    export_splats(Work(SplatRenderer(Blobs().gaussians()), blob_scene(), name="Three <blobs>"), path, silent)
    return path


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = open_page(tmp_path_factory.mktemp("chromium"), width=WIDTH, height=HEIGHT)
    page.open("about:blank")
    page.addresses()  # of Chromium's own first page
    yield page
    page.driver.quit()


@pytest.fixture
def shown(browser: Page, blobs_page: Path) -> Page:
    """Every test starts from the first view."""
    load(browser, blobs_page)
    return browser


def load(page: Page, path: Path, *, until: str = "ready") -> None:
    page.open(path.as_uri())
    wait(lambda: state(page) == until, f"the page to be {until}", seconds=60)


def state(page: Page) -> str:
    return page.driver.execute_script("return document.body.dataset.state || ''")


def places(page: Page) -> dict[str, tuple[float, float, int]]:
    """Median x and y of each colour, and how many pixels have it."""
    picture, found = page.picture().astype(int), {}
    for name, colour in COLOURS.items():
        rows, columns = np.nonzero(np.abs(picture - colour).max(axis=-1) < 50)
        middle = (float(np.median(columns)), float(np.median(rows))) if len(rows) > 0 else (math.nan, math.nan)
        found[name] = (*middle, len(rows))
    return found


def at_home(page: Page, width: int = WIDTH) -> bool:
    found = places(page)
    red, green, blue = (found[name][0] for name in ("red", "green", "blue"))
    return red < blue < green and abs(blue - width / 2) < 12 and abs(red + green - width) < 20


def test_the_first_view_is_that_of_the_first_photo(shown: Page) -> None:
    wait(lambda: at_home(shown), "red on the left, green on the right, blue in the middle")
    found = places(shown)
    assert found["blue"][1] < found["red"][1] - 50, "up is up"
    assert abs(found["red"][1] - found["green"][1]) < 12
    # The photo's 80 rows fill the window: blobs 2 apart, 4 away and focal 100 are 50 of its pixels apart.
    assert found["green"][0] - found["red"][0] == pytest.approx(50 / 80 * HEIGHT, abs=15)
    assert shown.text().startswith("Three <blobs>")


def test_dragging_turns_the_scene_and_the_button_brings_it_back(shown: Page) -> None:
    shown.drag((120, 0), start=(200, 200))
    wait(lambda: not at_home(shown) and places(shown)["blue"][2] > 100, "another view")
    assert places(shown)["blue"][1] < places(shown)["red"][1], "up stays up"
    shown.driver.find_element("id", "home").click()
    wait(lambda: at_home(shown), "the first view")


def test_a_turn_ends_before_the_world_stands_on_its_head(shown: Page) -> None:
    for down in (180, 180, 180, 180):
        shown.drag((0, down), start=(300, 150))
    wait(lambda: abs(places(shown)["blue"][1] - places(shown)["red"][1]) < 140, "a view from above")
    assert places(shown)["red"][0] < places(shown)["green"][0]


def test_two_fingers_come_nearer(shown: Page) -> None:
    before = places(shown)
    for kind, apart in (("touchStart", 40), ("touchMove", 70), ("touchMove", 100), ("touchMove", 120), ("touchEnd", 0)):
        points = [{"x": 300 - apart, "y": 200, "id": 0}, {"x": 300 + apart, "y": 200, "id": 1}] if apart else []
        shown.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    wait(lambda: spread(places(shown)) > 1.5 * spread(before), "a closer view")


def spread(found: dict[str, Any]) -> float:
    return found["green"][0] - found["red"][0]


def test_keys_turn_and_come_back(shown: Page) -> None:
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.keys import Keys

    for _ in range(4):
        ActionChains(shown.driver).send_keys(Keys.ARROW_RIGHT).perform()
    wait(lambda: not at_home(shown), "another view")
    ActionChains(shown.driver).send_keys(Keys.HOME).perform()
    wait(lambda: at_home(shown), "the first view")


def test_a_phone_shows_the_scene(shown: Page) -> None:
    shown.resize(390, 780)
    try:
        wait(lambda: at_home(shown, 390), "the scene")
        assert places(shown)["blue"][1] < places(shown)["red"][1] - 50
    finally:
        shown.resize(WIDTH, HEIGHT)


def test_the_page_asks_for_nothing(shown: Page, blobs_page: Path) -> None:
    shown.addresses()
    load(shown, blobs_page)
    asked = [address for address in shown.addresses() if not address.startswith(("data:", "blob:"))]
    assert asked == [blobs_page.as_uri()]
    blocked = "return fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'blocked')"
    assert shown.driver.execute_script(blocked) == "blocked"
    assert shown.addresses() == [] or all("127.0.0.1" not in address for address in shown.addresses())


def test_a_browser_without_graphics_is_told_so(browser: Page, blobs_page: Path) -> None:
    script = {"source": "HTMLCanvasElement.prototype.getContext = () => null"}
    added = browser.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)
    try:
        load(browser, blobs_page, until="no-graphics")
        assert "WebGL 2" in browser.text()
    finally:
        browser.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", added)


def test_a_damaged_page_says_so(browser: Page, blobs_page: Path, tmp_path: Path) -> None:
    text = blobs_page.read_text()
    start = text.index('base64">') + 8
    (tmp_path / "bad.html").write_text(text[: start + 300] + "A" * 200 + text[start + 500 :])
    load(browser, tmp_path / "bad.html", until="damaged")
    assert "could not be shown" in browser.text()


@pytest.mark.parametrize(("degree", "antialiased"), [(0, False), (3, False), (2, True)])
def test_the_page_looks_as_recon_renders_it(
    browser: Page, tmp_path: Path, room: Room, degree: int, antialiased: bool
) -> None:
    path = tmp_path / "room.html"
    look = Look((0.5, 2.0, 3.0), (0.1, 0.2, -0.1), 0.5, 0.4, background=(0.2, 0.1, 0.0))
    gaussians = replace(shining(degree), antialiased=antialiased)
    write_splats(SplatAsset(gaussians, "opengl", (0.0, 1.0, 0.0), look=look), path)
    load(browser, path)
    browser.driver.execute_script("document.querySelectorAll('header, button').forEach((x) => x.remove())")
    pose = look_at(np.array(look.eye), np.array(look.target), np.array([0.0, 1.0, 0.0]))
    camera = Cameras(
        cam_from_world=torch.from_numpy(pose).float(),
        focal=torch.full((2,), HEIGHT / 2 / look.down),
        center=torch.tensor([WIDTH / 2, HEIGHT / 2]),
        width=torch.tensor(WIDTH),
        height=torch.tensor(HEIGHT),
    )
    render = SplatRenderer(read_splats(path).gaussians).render(camera)
    drawn = render.over(torch.tensor(look.background)).clamp(0, 1).numpy() * 255
    # Browsers blend in 8 bits, so the sum of many faint layers is off by a few; means over 20 pixels square are not.
    wait(lambda: float(np.abs(blocks(browser.picture()) - blocks(drawn)).max()) < 4, "the same picture", seconds=20)


def shining(degree: int) -> Gaussians:
    """Long and flat Gaussians of all orientations whose colours depend on where one stands."""
    draw = torch.Generator().manual_seed(degree)
    g = 400
    return Gaussians(
        means=torch.randn(g, 3, generator=draw) * 0.6,
        quats=torch.randn(g, 4, generator=draw),
        log_scales=torch.randn(g, 3, generator=draw) * 0.6 - 2.5,
        opacity_logits=torch.randn(g, generator=draw),
        sh=torch.randn(g, (degree + 1) ** 2, 3, generator=draw) * 0.14,  # brighter than white, screens cut it off
    )


def blocks(picture: np.ndarray) -> np.ndarray:
    h, w = picture.shape[0] // 20, picture.shape[1] // 20
    return picture[: 20 * h, : 20 * w].astype(float).reshape(h, 20, w, 20, 3).mean(axis=(1, 3))


# --- Without a browser ----------------------------------------------------------------------------------------------


def test_limits_are_where_photos_were_taken() -> None:
    scene = blob_scene()
    look = look_of(scene, np.eye(4), background=torch.zeros(3), title="")
    assert look.around is None, "six photos in a circle"
    assert math.dist(look.eye, (0.0, -4.0, 0.6)) < 1e-5
    assert look.nearest < 4 < look.farthest < 8
    front = replace(scene, train=(0, 1), test=())  # a sixth of the circle, counter-clockwise from the first
    sides = look_of(front, np.eye(4), background=torch.zeros(3), title="").around
    assert sides is not None
    assert sides[0] == pytest.approx(-math.radians(15), abs=0.02)
    assert sides[1] == pytest.approx(math.radians(75), abs=0.1)


def test_photos_that_leave_a_third_unseen_do_not_go_around() -> None:
    scene = replace(blob_scene(), train=(5, 0, 1), test=())
    arc = around(scene).arc
    assert arc is not None
    assert arc[1] == pytest.approx(math.radians(120), abs=0.05)


def test_a_mirrored_look_exchanges_left_and_right() -> None:
    look = Look((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), around=(-0.1, 0.5))
    assert look.turned(np.diag([1.0, -1.0, 1.0])).around == (-0.5, 0.1)
    assert look.turned(np.eye(3)) == look


def test_splats_of_no_run_are_looked_at_from_outside() -> None:
    gaussians = shining(0)
    look = guessed_look(gaussians, np.array([0.0, 1.0, 0.0]))
    distance = (gaussians.means - torch.tensor(look.eye)).norm(dim=1)
    assert float((distance > 0.3 * look.distance).float().mean()) > 0.9
    assert look.eye[1] > look.target[1], "from somewhat above"


def test_a_title_cannot_leave_its_place(tmp_path: Path) -> None:
    look = Look((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), title="</title></script><script>alert(1)</script>{{splats}}")
    write_splats(SplatAsset(shining(0), "opengl", look=look), tmp_path / "a.html")
    text = (tmp_path / "a.html").read_text()
    assert "<script>alert" not in text
    assert text.count("{{splats}}") == 4, "the title, the heading, the canvas and the look"
    assert len(read_splats(tmp_path / "a.html")) == 400
