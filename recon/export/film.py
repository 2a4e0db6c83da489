"""A run as a film: an orbit around what the photos look at."""

from __future__ import annotations

from pathlib import Path

from recon.export.orbit import orbit_cameras
from recon.export.video import write_video
from recon.export.work import Progress, Work, Written

__all__ = ["export_film"]

_SECONDS, _FPS = 8.0, 30


def export_film(work: Work, path: Path, progress: Progress) -> Written:
    """Eight seconds, once around; or there and back, where the photos were taken from one side."""
    cameras = orbit_cameras(work.scene, round(_SECONDS * _FPS))
    write_video(work.model, cameras, path, fps=_FPS, background=work.background, progress=progress)
    size = path.stat().st_size
    facts = {"format": "H.264", "frame": "input", "frames": len(cameras), "seconds": _SECONDS}
    return Written(f"{len(cameras)} frames, {_SECONDS:.0f} s, {size / 1e6:.1f} MB", facts)
