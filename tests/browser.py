"""A headless Chromium that tests look at as a person would: by its pixels."""

from __future__ import annotations

import io
import json
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from recon.types import Renderer
from recon.viewer import Viewer

__all__ = ["Page", "open_page"]

_SOFTWARE_GRAPHICS = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
_ALONE = (
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-quic", "--disable-default-apps", "--disable-extensions", "--disable-dev-shm-usage"),
)


class Page:
    """One tab."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, address: str) -> None:
        self.driver.get(address)

    def resize(self, width: int, height: int) -> None:
        """Of what the page may paint on, which is less than the window."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def picture(self) -> np.ndarray:
        """What is on the screen: uint8 [h w 3]."""
        return np.asarray(Image.open(io.BytesIO(self.driver.get_screenshot_as_png())).convert("RGB"))

    def keep(self, path: Path) -> None:
        self.driver.save_screenshot(str(path))

    def text(self) -> str:
        return self.driver.execute_script("return document.body.innerText")

    def drag(self, by: tuple[int, int], *, start: tuple[int, int]) -> None:
        """Press the left button at `start` (x, y), move, let go."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        builder = ActionBuilder(self.driver, duration=60)
        builder.pointer_action.move_to_location(*start).pointer_down()
        for part in (0.25, 0.5, 0.75, 1.0):
            builder.pointer_action.move_to_location(int(start[0] + part * by[0]), int(start[1] + part * by[1]))
        builder.pointer_action.pointer_up()
        builder.perform()
        ActionChains(self.driver).pause(0.1).perform()

    def click_at(self, x: int, y: int) -> None:
        from selenium.webdriver.common.actions.action_builder import ActionBuilder

        builder = ActionBuilder(self.driver)
        # A pointer that jumps has hovered over nothing when the button goes down.
        builder.pointer_action.move_to_location(x - 2, y - 2).move_to_location(x, y).pause(0.3).click()
        builder.perform()

    def click(self, words: str) -> None:
        """Press the button, option or check box with these words."""
        path = f"//*[self::button or self::label or @role='option'][normalize-space(.)='{words}']"
        wait(lambda: self._press(path), f"something to click that says {words!r}")

    def choose(self, words: str, *, instead_of: str) -> None:
        """Pick an option of the drop-down list that now shows another."""
        path = "//input[@aria-haspopup='listbox']"

        def lists() -> list[Any]:
            return [field for field in self._shown(path) if field.get_property("value") == instead_of]

        wait(lambda: len(lists()) == 1, f"one list that shows {instead_of!r}")
        lists()[0].click()
        self.click(words)

    def addresses(self) -> list[str]:
        """Everything the page has asked the network for since it was last asked here."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        sockets = [m["params"]["url"] for m in messages if m["method"] == "Network.webSocketCreated"]
        return sent + sockets

    def _press(self, path: str) -> bool:
        """Click the first of these that can be seen; the page may exchange it for another at any moment."""
        from selenium.common.exceptions import ElementNotInteractableException, StaleElementReferenceException

        try:
            for element in self._shown(path):
                element.click()
                return True
        except (ElementNotInteractableException, StaleElementReferenceException):
            pass
        return False

    def _shown(self, path: str) -> list[Any]:
        return [element for element in self.driver.find_elements("xpath", path) if element.is_displayed()]


def open_page(profile: Path, *, width: int = 900, height: int = 600) -> Page:
    """A new browser with a profile of its own; skips the test where Chromium or its driver is absent."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("no chromium")
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    flags = (
        "--headless=new",
        "--hide-scrollbars",
        "--no-sandbox",
        f"--user-data-dir={profile}",
        *_SOFTWARE_GRAPHICS,
        *_ALONE,
    )
    for flag in flags:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    page = Page(webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)))
    page.resize(width, height)
    return page


def wait(condition: Callable[[], bool], what: str, *, seconds: float = 30.0) -> None:
    """Until it holds; an error saying what never came otherwise."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.1)


class Served:
    """A viewer of a model that no longer changes, served in a thread of its own."""

    def __init__(self, viewer: Viewer, model: Renderer) -> None:
        self._over = threading.Event()
        self._thread = threading.Thread(target=viewer.serve_while, args=(model, lambda: not self._over.is_set()))
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
