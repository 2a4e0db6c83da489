"""Things found in the scene, each in a box of lines with its name above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

__all__ = ["LabelledBox", "draw_boxes", "edges_of"]

_WIDTH = 2.0
"""Pixels."""


@dataclass(frozen=True)
class LabelledBox:
    corners: Float[np.ndarray, "8 3"]
    """In the world; corner i lies on the far side of its axis 0, 1, 2 where bit 2, 1, 0 of i is set."""
    text: str
    colour: tuple[int, int, int]


def draw_boxes(server: Any, boxes: Sequence[LabelledBox], *, up: Float[np.ndarray, "3"]) -> None:
    """Put them on the page, with a tick in the panel that hides them."""
    root = server.scene.add_frame("/objects", show_axes=False)
    for number, box in enumerate(boxes):
        edges = edges_of(box).astype(np.float32)
        colours = np.broadcast_to(np.array(box.colour, dtype=np.uint8), edges.shape)
        name = f"/objects/{number}"
        server.scene.add_line_segments(name, points=edges, colors=colours, line_width=_WIDTH)
        server.scene.add_label(f"{name}/label", box.text, position=_above(box, up))
    with server.gui.add_folder("Objects", order=3):
        ticked = server.gui.add_checkbox("Boxes", True, hint="What recon classify found.")

    @ticked.on_update
    async def _(_: Any) -> None:
        root.visible = bool(ticked.value)


def edges_of(box: LabelledBox) -> Float[np.ndarray, "12 2 3"]:
    """The ends of its edges: corners whose numbers differ in one bit."""
    pairs = [(i, i | bit) for i in range(8) for bit in (1, 2, 4) if not i & bit]
    return box.corners[np.array(pairs)]


def _above(box: LabelledBox, up: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    """The middle of its top."""
    middle = box.corners.mean(axis=0)
    x, y, z = middle + up * ((box.corners - middle) @ up).max()
    return float(x), float(y), float(z)
