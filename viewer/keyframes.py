"""Views that somebody collects on the page for a film: a list of places, kept for all browsers, saved as a file."""

from __future__ import annotations

from typing import Any

import numpy as np

from recon.geometry import transform_points
from recon.io.keyframes import Keyframe, keyframes_text
from recon.types import Scene
from recon.viewer.photos import Ask
from recon.viewer.view import View

__all__ = ["Keyframes"]


class Keyframes:
    """The panel's part for films. One thread calls everything here; browsers' wishes come through `ask`."""

    def __init__(self, server: Any, scene: Scene, ask: Ask) -> None:
        self._input_from_world = scene.input_from_world.double().cpu().numpy()
        self._views: list[Keyframe] = []
        with server.gui.add_folder("Film", order=3, expand_by_default=False):
            self._said = server.gui.add_markdown("")
            add = server.gui.add_button("Add view", icon="plus", hint="The film will pass through what you see now.")
            self._drop = server.gui.add_button("Remove last view", icon="minus")
            self._save = server.gui.add_button("Save views", icon="download")

        @add.on_click
        async def _(event: Any) -> None:
            ask(lambda: self.add(event.client))

        @self._drop.on_click
        async def _(event: Any) -> None:
            ask(self.drop)

        @self._save.on_click
        async def _(event: Any) -> None:
            ask(lambda: self.save(event.client))

        self._tell()

    def add(self, client: Any) -> None:
        """What this browser sees now."""
        view = View.of(client.camera)
        if view is not None:
            x, y, z = transform_points(self._input_from_world, np.array(view.position)).tolist()
            qw, qx, qy, qz = view.wxyz
            self._views.append(Keyframe((x, y, z), (qw, qx, qy, qz), view.fov))
        self._tell()

    def drop(self) -> None:
        self._views = self._views[:-1]
        self._tell()

    def save(self, client: Any) -> None:
        """To the browser's downloads."""
        client.send_file_download("views.json", keyframes_text(self._views).encode(), save_immediately=True)
        self._said.content = "Make the film with  \n`recon render RUN --views views.json --output .`"

    def _tell(self) -> None:
        count = len(self._views)
        self._said.content = "No views yet." if count == 0 else f"{count} view{'s' if count > 1 else ''}"
        self._drop.disabled = count == 0
        self._save.disabled = count < 2
