"""The panel beside the picture: how training goes, and what is shown how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from recon.viewer.photos import Ask

__all__ = ["Panel", "Progress"]

_EXACT, _FAST = "Rendered (exact)", "Splats (fast)"
"""Exact is what a page begins with: a browser without a GPU takes many seconds for each picture of splats."""


@dataclass(frozen=True)
class Progress:
    """How far training is."""

    step: int
    loss: float
    size: str = ""
    """What the model has become, in words."""
    steps: int | None = None
    """Steps in all, None when a clock decides."""
    done: float | None = None
    """Share of the work, 0 to 1."""
    seconds_left: float | None = None
    psnr: float | None = None

    def lines(self) -> str:
        """Markdown for the panel."""
        total = f" of {_thousands(self.steps)}" if self.steps is not None else ""
        left = f" · {_duration(self.seconds_left)} left" if self.seconds_left is not None else ""
        psnr = f" · PSNR {self.psnr:.2f} dB" if self.psnr is not None else ""
        lines = [f"**Step {_thousands(self.step)}**{total}{left}", f"loss {self.loss:.4f}{psnr}"]
        if self.size:
            lines.append(self.size.replace(",", " "))
        return "  \n".join(lines)


class Panel:
    """The controls. Their state changes only in the thread that serves, through `ask`."""

    def __init__(self, server: Any, ask: Ask) -> None:
        self.paused = False
        self.exact = True
        self.photos = True
        self.dark = True
        self._server, self._ask = server, ask
        self._training = server.gui.add_folder("Training", order=1, visible=False)
        with self._training:
            self._text = server.gui.add_markdown("")
            self._bar = server.gui.add_progress_bar(0, visible=False)
            self._pause = server.gui.add_button("Pause", icon="player-pause")
        with server.gui.add_folder("View", order=2):
            self._picture = server.gui.add_dropdown(
                "Picture",
                (_EXACT, _FAST),
                visible=False,
                hint="Rendered: by recon, as it is. Splats: by your browser, smooth where it has a GPU, without shine.",
            )
            self._photos = server.gui.add_checkbox(
                "Photos", True, hint="Click a photo to stand where it was taken. Orange: held out from training."
            )
            self._dark = server.gui.add_checkbox("Dark", True)
            self._home = server.gui.add_button("First view", icon="home")

    def connect(self, *, changed: Any, home: Any) -> None:
        """`changed()` after any control has changed; `home(client)` to take a browser to the first view."""
        for name, handle in (("exact", self._picture), ("photos", self._photos), ("dark", self._dark)):
            handle.on_update(self._setter(name, changed))

        @self._pause.on_click
        async def _(_: Any) -> None:
            self._ask(self.toggle_pause)

        @self._home.on_click
        async def _(event: Any) -> None:
            self._ask(lambda: home(event.client))

    def offer_splats(self, offered: bool) -> None:
        """Whether the browser can draw this model itself."""
        self._picture.visible = offered

    def show_exact(self) -> None:
        """Back to what any browser can show."""
        self.exact, self._picture.value = True, _EXACT

    def toggle_pause(self) -> None:
        self.paused = not self.paused
        self._pause.label = "Go on" if self.paused else "Pause"
        self._pause.icon = "player-play" if self.paused else "player-pause"

    def show(self, progress: Progress) -> None:
        """Where training is now."""
        done = progress.done
        if done is None and progress.steps is not None:
            done = progress.step / max(progress.steps, 1)
        self._text.content = progress.lines()
        self._bar.visible = done is not None
        self._bar.value = round(100 * min(max(done or 0.0, 0.0), 1.0), 1)
        self._training.visible = True

    def finish(self, reached: Progress | None) -> None:
        """Training is over, as far as it got: nothing is left to pause."""
        self.paused = False
        self._text.content = "**Training is over.**" + ("" if reached is None else f"  \n{reached.lines()}")
        self._training.visible = True
        self._pause.visible = False
        self._bar.visible = False

    def _setter(self, name: str, changed: Any) -> Any:
        async def on_update(event: Any) -> None:
            value = event.target.value
            self._ask(lambda: self._set(name, value == _EXACT if name == "exact" else bool(value), changed))

        return on_update

    def _set(self, name: str, value: bool, changed: Any) -> None:
        setattr(self, name, value)
        changed()


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", " ")


def _duration(seconds: float) -> str:
    seconds = max(round(seconds), 0)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02d} s"
    return f"{seconds // 3600} h {seconds % 3600 // 60:02d} min"
