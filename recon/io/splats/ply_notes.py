"""What recon says about splats in the comments of a PLY, which has no field for it.

comment recon antialiased 1        trained with the 2D Mip filter
comment recon frame opengl         how the axes lie, where that is known by name
comment recon up 0 -1 0            unit vector against gravity
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from recon.io.frames import FRAMES, FrameName
from recon.io.ply_header import PlyHeader

__all__ = ["comments_of", "frame_in", "is_antialiased", "up_in"]


def comments_of(*, antialiased: bool, frame: FrameName | None, up: Sequence[float] | None) -> list[str]:
    """Header lines."""
    lines = [f"comment recon antialiased {int(antialiased)}"]
    if frame is not None:
        lines.append(f"comment recon frame {frame}")
    if up is not None:
        lines.append("comment recon up " + " ".join(f"{value:.9g}" for value in up))
    return lines


def is_antialiased(header: PlyHeader) -> bool:
    return header.note("antialiased") == "1"


def frame_in(header: PlyHeader) -> FrameName | None:
    said = header.note("frame")
    return next((frame for frame in FRAMES if frame == said), None)


def up_in(header: PlyHeader) -> tuple[float, float, float] | None:
    """The unit vector, None where there is none or it is no direction."""
    words = (header.note("up") or "").split()
    try:
        up = np.array([float(word) for word in words])
    except ValueError:
        return None
    if up.shape != (3,) or not np.isfinite(up).all() or not 0 < np.linalg.norm(up) < 1e30:
        return None
    x, y, z = (up / np.linalg.norm(up)).tolist()
    return x, y, z
