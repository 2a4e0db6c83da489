"""The panel's part for what looks alike: colours of features, selecting by a click or a word, saving under a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from recon.errors import ReconError
from recon.viewer.alike import Alike
from recon.viewer.photos import Ask
from recon.viewer.view import View

__all__ = ["AlikePanel", "Save"]

Save = Callable[[str, Bool[Tensor, "g"]], None]
"""Keeps a selection under a name; raises `ReconError` where that cannot be."""

_LONGEST = 640
"""Pixels of the picture in which a click is looked up."""


class AlikePanel:
    """Its state changes only in the thread that serves, through `ask`."""

    def __init__(self, server: Any, alike: Alike, ask: Ask, *, save: Save, changed: Callable[[], None]) -> None:
        """`changed()` after what is shown has changed."""
        self._alike, self._save, self._changed = alike, save, changed
        self._pointing = False
        gui = server.gui
        with gui.add_folder("What looks alike", order=4):
            colours = gui.add_checkbox("Feature colours", False, hint="What looks alike has like colours.")
            point = gui.add_checkbox(
                "Select by click", False, hint="Click a thing: what looks like it stays in colour."
            )
            word = gui.add_text("Word", "", visible=alike.reads_words, hint="What fits the word stays in colour.")
            least = gui.add_slider("How alike", 0.0, 1.0, 0.01, alike.least)
            self._said = gui.add_markdown("")
            self._name = gui.add_text("Name", "")
            save_it = gui.add_button("Save selection", icon="device-floppy", hint="For recon export RUN --select NAME.")
            clear = gui.add_button("Select nothing", icon="x")

        @colours.on_update
        async def _(event: Any) -> None:
            ask(lambda: self.colour(event.target.value))

        @point.on_update
        async def _(event: Any) -> None:
            ask(lambda: self.let_point(event.target.value))

        @word.on_update
        async def _(event: Any) -> None:
            ask(lambda: self.ask_for(event.target.value))

        @least.on_update
        async def _(event: Any) -> None:
            ask(lambda: self.want(event.target.value))

        @save_it.on_click
        async def _(_: Any) -> None:
            ask(self.keep)

        @clear.on_click
        async def _(_: Any) -> None:
            ask(self.clear)

        @server.scene.on_click()
        async def _(event: Any) -> None:
            ask(lambda: self.click(event.client, *event.screen_pos))

        self._tell()

    def colour(self, coloured: bool) -> None:
        self._alike.coloured = coloured
        self._changed()

    def let_point(self, pointing: bool) -> None:
        """Whether clicks select; otherwise they do nothing."""
        self._pointing = pointing

    def click(self, client: Any, x: float, y: float) -> None:
        """At this share of the page, from the upper left."""
        view = View.of(client.camera)
        if not self._pointing or view is None:
            return
        if self._alike.point_at(view.camera(min(_LONGEST, view.longest_side)), x, y):
            self._tell()
            self._changed()
        else:
            self._said.content = "There is nothing with a feature."

    def ask_for(self, word: str) -> None:
        if word.strip():
            try:
                self._alike.ask(word.strip())
            except ReconError as error:
                self._said.content = str(error)
                return
            self._tell()
            self._changed()

    def want(self, least: float) -> None:
        self._alike.least = least
        self._tell()
        self._changed()

    def keep(self) -> None:
        """The selection under the name that stands in the panel."""
        selected = self._alike.selected
        if selected is None:
            self._said.content = "Nothing is selected yet."
            return
        try:
            self._save(self._name.value.strip(), selected)
        except ReconError as error:
            self._said.content = str(error)
        else:
            command = f"recon export RUN --select {self._name.value.strip()} --to part.ply"
            self._said.content = f"Saved. Export it with  \n`{command}`"

    def clear(self) -> None:
        self._alike.forget()
        self._tell()
        self._changed()

    def _tell(self) -> None:
        selected = self._alike.selected
        self._said.content = "Nothing is selected." if selected is None else f"{int(selected.sum())} Gaussians"
