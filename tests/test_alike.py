"""Selecting in the viewer what looks alike."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from blobs import COLOURS, Blobs, blob_scene
from browser import Page, Served, open_page, wait

from recon.errors import InputError
from recon.export.splat_renderer import SplatRenderer
from recon.types import Cameras
from recon.viewer import Viewer
from recon.viewer.alike import Alike
from recon.viewer.alike_panel import AlikePanel

COUNT = 40
"""Gaussians of each colour: red, green, blue."""
WHICH = torch.arange(3).repeat_interleave(COUNT)


def alike(words: dict[str, int] | None = None) -> Alike:
    """Features that tell the three colours apart; words, where given, are for one of them each."""
    features = torch.eye(3)[WHICH]

    def read(texts: list[str]) -> torch.Tensor:
        vectors = torch.eye(3)
        return torch.stack(
            [vectors[words[text]] if words and text in words else torch.ones(3) / 3**0.5 for text in texts]
        )

    return Alike(Blobs().gaussians(), features, None if words is None else read)


def place_of(which: int, camera: Cameras) -> tuple[float, float]:
    """Where a colour is in a picture, as shares of it."""
    mean = Blobs().gaussians().means[which == WHICH].mean(dim=0)
    x, y, z = camera.cam_from_world[:3, :3] @ mean + camera.cam_from_world[:3, 3]
    column, row = torch.stack([x, y]) / z * camera.focal + camera.center
    return float(column / camera.width), float(row / camera.height)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_pointing_at_a_thing_selects_it_and_no_other(which: int) -> None:
    asked, camera = alike(), blob_scene().cameras[0]
    assert asked.point_at(camera, *place_of(which, camera))
    assert asked.selected is not None
    assert asked.selected.tolist() == torch.eq(WHICH, which).tolist()


def test_pointing_at_nothing_changes_nothing() -> None:
    asked, camera = alike(), blob_scene().cameras[0]
    assert asked.selected is None
    assert not asked.point_at(camera, 0.01, 0.01)
    assert not asked.point_at(camera, 1.0, 1.0)
    assert asked.selected is None
    assert asked.shown() is None


def test_a_word_selects_what_it_fits() -> None:
    asked = alike({"grass": 1})
    assert asked.reads_words
    asked.ask("grass")
    assert asked.selected is not None
    assert torch.equal(asked.selected, WHICH == 1)


def test_how_alike_decides_how_many() -> None:
    asked, camera = alike(), blob_scene().cameras[0]
    asked.point_at(camera, *place_of(0, camera))
    asked.least = -1.0
    assert asked.selected is not None
    assert bool(asked.selected.all())


def test_what_is_not_selected_is_dark_and_gray() -> None:
    asked, camera = alike(), blob_scene().cameras[0]
    asked.point_at(camera, *place_of(0, camera))
    shown = asked.shown()
    assert shown is not None
    before, after = (0.5 + 0.28209479 * each.sh[:, 0] for each in (Blobs().gaussians(), shown.gaussians()))
    torch.testing.assert_close(after[WHICH == 0], before[WHICH == 0])
    rest = after[WHICH != 0]
    torch.testing.assert_close(rest.amax(dim=1), rest.amin(dim=1))
    assert float(rest.max()) < 0.3
    asked.forget()
    assert asked.shown() is None


def test_feature_colours_tell_the_features_apart() -> None:
    asked = alike()
    asked.coloured = True
    shown = asked.shown()
    assert shown is not None
    colours = shown.gaussians().sh[:, 0].unflatten(0, (3, COUNT))
    assert float(colours.std(dim=1).max()) < 1e-5
    middles = colours.mean(dim=1)
    assert float(torch.cdist(middles, middles).add(10 * torch.eye(3)).min()) > 0.5


class Gui:
    """Takes controls and forgets them; what the page itself does is tested in a browser."""

    def __init__(self) -> None:
        self.made: list[SimpleNamespace] = []

    def add_folder(self, *_: object, **__: object) -> Gui:
        return self

    def __enter__(self) -> Gui:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def __getattr__(self, name: str):
        def add(label: str, *values: object, **_: object) -> SimpleNamespace:
            same = lambda function: function  # noqa: E731
            control = SimpleNamespace(
                label=label, value=values[-1] if values else "", content=label, on_update=same, on_click=same
            )
            self.made.append(control)
            return control

        return add


def panel(save) -> tuple[AlikePanel, Alike]:
    server = SimpleNamespace(gui=Gui(), scene=SimpleNamespace(on_click=lambda: lambda function: function))
    asked = alike()
    return AlikePanel(server, asked, lambda wish: wish(), save=save, changed=lambda: None), asked


def test_saving_hands_the_selection_over_under_its_name() -> None:
    saved = {}
    made, asked = panel(lambda name, mask: saved.update({name: mask}))
    made.keep()
    assert saved == {}
    camera = blob_scene().cameras[0]
    asked.point_at(camera, *place_of(2, camera))
    made._name.value = " sky "
    made.keep()
    assert torch.equal(saved["sky"], WHICH == 2)
    assert "--select sky" in made._said.content


def test_a_name_that_cannot_be_is_said_on_the_page() -> None:
    def refuse(name: str, mask: torch.Tensor) -> None:
        raise InputError("'a b' is no name.", advice="Use letters.")

    made, asked = panel(refuse)
    camera = blob_scene().cameras[0]
    asked.point_at(camera, *place_of(2, camera))
    made.keep()
    assert made._said.content == "'a b' is no name. Use letters."


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    page = open_page(tmp_path_factory.mktemp("chromium"), width=1000, height=400)
    yield page
    page.driver.quit()


def test_a_click_in_the_browser_selects_what_is_there(page: Page, tmp_path: Path) -> None:
    scene, asked = blob_scene(), alike()
    viewer = Viewer(scene, port=0, alike=(asked, lambda name, mask: None))
    model = SplatRenderer(Blobs().gaussians())
    served = Served(viewer, model)
    try:
        page.open(viewer.address)
        wait(lambda: "What looks alike" in page.text(), "the panel")
        wait(lambda: len(coloured(page)) == 3, "the scene")
        assert asked.selected is None
        middle = coloured(page)["green"]
        page.click_at(*middle)
        assert asked.selected is None  # not until it is asked for
        page.click("Select by click")

        def selected() -> bool:
            page.click_at(*middle)
            return asked.selected is not None

        wait(selected, "a selection")
        assert selected_colours(asked) == [1]
        page.click("Select nothing")
        wait(lambda: asked.selected is None, "no selection")
    finally:
        served.stop()
        viewer.close()


def selected_colours(asked: Alike) -> list[int]:
    assert asked.selected is not None
    return WHICH[asked.selected].unique().tolist()


def coloured(page: Page) -> dict[str, tuple[int, int]]:
    """The middle of each colour that is on the page, left of the panel."""
    picture = page.picture()[:, :670].astype(int)
    found = {}
    for name, colour in COLOURS.items():
        rows, columns = (abs(picture - list(colour)).max(axis=-1) < 60).nonzero()
        if len(rows) > 20:
            found[name] = (int(sorted(columns)[len(columns) // 2]), int(sorted(rows)[len(rows) // 2]))
    return found
