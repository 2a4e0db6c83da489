"""The viewer as its caller sees it: tell it of each step, let it serve between two steps, ask whether to pause.

Browsers' wishes arrive on the web server's thread and are only written down there. The thread that calls
`serve_pending` fulfils them, so a model is never drawn while it is being changed, and nothing needs a lock.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from recon.types import HasGaussians, Renderer, Scene, StepReport
from recon.viewer.alike import Alike
from recon.viewer.alike_panel import AlikePanel, Save
from recon.viewer.boxes import LabelledBox, draw_boxes
from recon.viewer.frames import Frames
from recon.viewer.keyframes import Keyframes
from recon.viewer.outlook import outlook_of
from recon.viewer.panel import Panel, Progress
from recon.viewer.photos import Photos
from recon.viewer.server import address_of, free_port, open_server, quiet
from recon.viewer.splats import SplatCloud
from recon.viewer.view import View, fov_that_holds

__all__ = ["Viewer"]

_LOOK_AGAIN = 0.02
"""Seconds between two looks at what is due when no browser asks for anything."""
_REPORT_EVERY = 0.5
"""Seconds between two changes of the numbers on the page: reading a loss waits for the GPU."""
_DARK, _LIGHT = 20 / 255, 1.0
"""Gray of the page behind the scene."""


class Viewer:
    """A page to orbit the scene. It is there once constructed, and gone after `close`."""

    def __init__(
        self,
        scene: Scene,
        *,
        host: str = "127.0.0.1",
        port: int = 7007,
        title: str = "recon",
        alike: tuple[Alike, Save] | None = None,
    ) -> None:
        """Serve on the first free port from `port` upwards; 0 takes any. Only this machine can look by default.

        `alike` selects parts of a model that does not change, and keeps them.
        """
        self._scene = scene
        self._wishes: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._awake = threading.Event()
        self._revision, self._trained = 0, False
        self._latest: StepReport | None = None
        self._reported = -_REPORT_EVERY
        self._server = open_server(host, free_port(host, port))
        self.host = host
        self.port: int = self._server.get_port()
        self.moved_from = port if port not in (0, self.port) else None
        """The port asked for, when another program has it; None when it was free."""
        self._home = outlook_of(scene, scene.train[0] if len(scene.train) > 0 else 0)
        self._panel = Panel(self._server, self._ask)
        self._photos = Photos(self._server, scene, self._ask)
        Keyframes(self._server, scene, self._ask)
        self._alike: Alike | None = None
        if alike is not None:
            self._alike, save = alike
            AlikePanel(self._server, self._alike, self._ask, save=save, changed=self._look_again)
        self._frames = Frames(_DARK)
        self._splats = SplatCloud(self._server, scene.extent)
        self._exact: bool | None = None
        self._prepare_page(title)
        self._panel.connect(changed=self._apply, home=lambda client: self._home.show(client, scene))
        self._listen()

    @property
    def address(self) -> str:
        """What to type into a browser on this machine."""
        return address_of(self.host, self.port)

    @property
    def paused(self) -> bool:
        """Whether somebody holds the training. Keep serving meanwhile: see `serve_while`."""
        return self._panel.paused

    @property
    def exact(self) -> bool:
        """Whether pages show pictures that the model renders, not splats that the browser draws."""
        return self._panel.exact

    def update(
        self,
        report: StepReport,
        *,
        steps: int | None = None,
        done: float | None = None,
        seconds_left: float | None = None,
        psnr: float | None = None,
    ) -> None:
        """The model has made a step. `steps` in all or the share `done` (0 to 1), where known, move the bar."""
        self._revision += 1
        self._trained, self._latest = True, report
        now = time.monotonic()
        if now - self._reported < _REPORT_EVERY:
            return
        self._reported = now
        self._panel.show(replace(_progress(report), steps=steps, done=done, seconds_left=seconds_left, psnr=psnr))

    def show_boxes(self, boxes: Sequence[LabelledBox]) -> None:
        """Things found in the scene, on the page from now on. Once, before anything is served."""
        draw_boxes(self._server, boxes, up=self._scene.up.double().cpu().numpy())

    def finish(self) -> None:
        """Training is over; the page stays, says so, and answers as long as somebody calls `serve_pending`."""
        self._panel.finish(None if self._latest is None else _progress(self._latest))

    def serve_pending(self, model: Renderer) -> None:
        """Do what browsers asked for since the last call, drawing at most one frame. Cheap when there is nothing."""
        training, self._trained = self._trained, False
        with contextlib.suppress(queue.Empty):
            while True:
                self._wishes.get_nowait()()
        if not self._frames.watched:
            return
        self._photos.serve(training=training)
        shown = None if self._alike is None else self._alike.shown()
        model = model if shown is None else shown
        exact = self._panel.exact or not isinstance(model, HasGaussians)
        if exact != self._exact:
            self._switch(exact, offered=isinstance(model, HasGaussians))
        if exact:
            self._frames.serve(model, revision=self._revision, training=training)
        else:
            assert isinstance(model, HasGaussians)
            self._splats.serve(model, revision=self._revision, training=training)

    def serve_while(self, model: Renderer, condition: Callable[[], bool]) -> None:
        """Serve a model that does not change, as long as `condition()`; it is asked 50 times a second."""
        while condition():
            self.serve_pending(model)
            self._awake.wait(_LOOK_AGAIN)
            self._awake.clear()

    def close(self) -> None:
        """Take the page down. Closing twice does no harm."""
        with quiet():
            self._server.stop()

    def _prepare_page(self, title: str) -> None:
        server, home = self._server, self._home
        up = self._scene.up.double().cpu().numpy()
        server.scene.set_up_direction(up)
        server.scene.configure_default_lights(enabled=False)  # nothing here reflects, and shadows cost time
        server.scene.configure_environment_map(hdri=None)
        server.gui.set_panel_label(title)
        start = server.initial_camera
        start.position, start.look_at, start.up = home.position, home.look_at, up
        camera = self._scene.cameras[home.index]
        start.fov = fov_that_holds(camera, float(camera.width / camera.height))
        start.near = self._photos.near
        start.far = max(1000.0 * self._scene.extent, 1000.0)
        self._theme()

    def _theme(self) -> None:
        self._server.gui.configure_theme(dark_mode=self._panel.dark, show_logo=False, show_share_button=False)

    def _listen(self) -> None:
        """Write down what browsers do. These run on the web server's thread."""

        @self._server.on_client_connect
        async def _(client: Any) -> None:
            async def look(camera: Any) -> None:
                view = View.of(camera)
                if view is not None:
                    self._ask(lambda: self._frames.look(client, view))

            client.camera.on_update(look)
            self._ask(lambda: self._home.fit(client, self._scene))

        @self._server.on_client_disconnect
        async def _(client: Any) -> None:
            self._ask(lambda: self._leave(client))

    def _ask(self, wish: Callable[[], None]) -> None:
        self._wishes.put(wish)
        self._awake.set()

    def _leave(self, client: Any) -> None:
        """The last to go leaves rendered pictures: whoever closed a page that splats had frozen can open it again."""
        self._frames.leave(client)
        self._photos.leave(client)
        if not self._frames.watched:
            self._panel.show_exact()
            self._splats.remove()
            self._exact = None

    def _look_again(self) -> None:
        """The model is shown differently."""
        self._revision += 1

    def _apply(self) -> None:
        """Somebody used the panel."""
        self._photos.set_visible(self._panel.photos)
        background = _DARK if self._panel.dark else _LIGHT
        if background != self._frames.background:
            self._frames.background = background
            self._frames.forget()
            self._theme()

    def _switch(self, exact: bool, *, offered: bool) -> None:
        self._exact = exact
        self._panel.offer_splats(offered)
        if exact:
            self._splats.remove()
            self._frames.forget()
        else:
            self._frames.clear()


def _progress(report: StepReport) -> Progress:
    loss = sum(float(value) for value in report.losses.values())
    return Progress(report.step, loss, report.size)
