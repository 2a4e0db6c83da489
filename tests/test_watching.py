"""The viewer as `recon train` uses it: while it trains, while somebody holds it, and while the result is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from blobs import Painter
from command_line import SMALL
from room import Room

from recon.cli.console import Console
from recon.cli.main import main
from recon.cli.watching import serve
from recon.training import PausableClock
from recon.viewer import Viewer

Said = pytest.CaptureFixture[str]


class Held:
    """A viewer somebody pauses, and lets go on when it has been asked a few times."""

    address = "http://127.0.0.1:7007"

    def __init__(self, asks: int) -> None:
        self.asks = asks

    @property
    def paused(self) -> bool:
        self.asks -= 1
        return self.asks > 0

    def serve_pending(self, model: object) -> None:
        pass

    def serve_while(self, model: object, condition: Any) -> None:
        while condition():
            pass


@pytest.mark.parametrize("quiet", [False, True])
def test_a_held_training_says_where_to_go_on(capsys: Said, quiet: bool) -> None:
    clock = PausableClock()
    held: Any = Held(asks=4)
    serve(held, Painter(), clock, Console(quiet=quiet), lambda: False)
    said = capsys.readouterr().err.splitlines()
    assert said[0].startswith("Training is paused. Go on at http://127.0.0.1:7007")
    assert "Ctrl-C" in said[0]
    assert said[1] == "Training goes on."
    assert not clock.paused


def test_a_held_training_ends_by_ctrl_c(capsys: Said) -> None:
    held: Any = Held(asks=1000)
    serve(held, Painter(), PausableClock(), Console(), lambda: True)
    assert "goes on" not in capsys.readouterr().err


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the training told its viewer, in order."""
    said: list[tuple[str, Any]] = []

    def telling(name: str) -> Any:
        told = getattr(Viewer, name)

        def tell(viewer: Viewer, *given: Any, **named: Any) -> None:
            said.append((name, named.get("steps")))
            told(viewer, *given, **named)

        return tell

    for name in ("update", "finish", "serve_pending", "close"):
        monkeypatch.setattr(Viewer, name, telling(name))
    return said


def test_the_page_answers_until_the_result_is_measured(room: Room, tmp_path: Path, told: list[tuple[str, Any]]) -> None:
    photos = room.write_posed_photos(tmp_path / "photos")
    options = [option for option in SMALL if option != "--no-viewer"]
    output = ["--output", str(tmp_path / "run"), "--port", "7300"]
    assert main(["train", "--images", str(photos), *output, *options]) == 0
    names = [name for name, _ in told]
    assert {steps for name, steps in told if name == "update"} == {24}
    over = names.index("finish")
    assert "update" not in names[over:]
    assert names[over + 1 : -1] == ["serve_pending"] * 3  # two held-out photos, and before the report
    assert names[-1] == "close"
