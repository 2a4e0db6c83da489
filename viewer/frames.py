"""Frames drawn by the model itself, for every browser that shows them: exact for whatever the model is."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import torch

from recon.export.views import render_picture
from recon.types import Renderer
from recon.viewer.pace import Pace
from recon.viewer.view import View

__all__ = ["Frames"]

_QUALITY_MOVING, _QUALITY_RESTING = 75, 92
"""Of the JPEG."""


@dataclass
class _Eye:
    """One browser: what it looks at, since when, and what it was last shown."""

    client: Any
    """A `viser.ClientHandle`."""
    view: View
    moved: float
    pace: Pace = field(default_factory=Pace)
    drawn_view: View | None = None
    drawn_side: int = 0
    drawn_revision: int = -1
    drawn_at: float = 0.0


class Frames:
    """Draws what browsers look at. One thread calls everything here."""

    def __init__(self, background: float) -> None:
        self.background = background
        """Gray behind the scene, 0 to 1."""
        self._eyes: dict[int, _Eye] = {}

    @property
    def watched(self) -> bool:
        """Whether any browser looks on."""
        return len(self._eyes) > 0

    def look(self, client: Any, view: View) -> None:
        """A browser has appeared or moved its camera."""
        eye = self._eyes.get(client.client_id)
        if eye is None:
            self._eyes[client.client_id] = _Eye(client, view, moved=time.monotonic())
        elif eye.view != view:
            eye.view, eye.moved = view, time.monotonic()

    def leave(self, client: Any) -> None:
        self._eyes.pop(client.client_id, None)

    def clear(self) -> None:
        """Take the frames off the pages, and draw them anew when asked."""
        for eye in self._eyes.values():
            eye.client.scene.set_background_image(None)
        self.forget()

    def forget(self) -> None:
        """What was drawn is out of date."""
        for eye in self._eyes.values():
            eye.drawn_view, eye.drawn_side = None, 0

    def serve(self, model: Renderer, *, revision: int, training: bool) -> None:
        """Draw at most one frame: of the browser that waits longest. `revision` counts changes of the model."""
        for eye in sorted(self._eyes.values(), key=lambda eye: eye.drawn_at):
            side = _wanted(eye, revision, training)
            if side > 0:
                self._draw(eye, model, side, revision)
                return

    def _draw(self, eye: _Eye, model: Renderer, side: int, revision: int) -> None:
        began, view = time.monotonic(), eye.view
        picture = render_picture(model, view.camera(side), torch.full((3,), self.background)).numpy()
        quality = _QUALITY_RESTING if side >= view.longest_side else _QUALITY_MOVING
        eye.client.scene.set_background_image(picture, format="jpeg", jpeg_quality=quality)
        now = time.monotonic()
        eye.pace.spent(picture.shape[0] * picture.shape[1], now - began, now)
        eye.drawn_view, eye.drawn_side, eye.drawn_revision, eye.drawn_at = view, side, revision, now


def _wanted(eye: _Eye, revision: int, training: bool) -> int:
    return eye.pace.side(
        eye.view.longest_side,
        eye.view.width * eye.view.height,
        moved=eye.moved,
        drawn=eye.drawn_side if eye.drawn_view == eye.view else 0,
        stale=eye.drawn_revision != revision,
        training=training,
        now=time.monotonic(),
    )
