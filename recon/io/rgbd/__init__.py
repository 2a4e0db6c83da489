"""What RGB-D cameras recorded: photos with a pose and a depth map each, in the layouts of TUM, ScanNet and Record3D."""

from __future__ import annotations

from pathlib import Path

from recon.io.rgbd.record3d import is_record3d, read_record3d
from recon.io.rgbd.recording import DepthFile, Frame, Recording
from recon.io.rgbd.scannet import is_scannet, read_scannet
from recon.io.rgbd.tum import is_tum, read_tum

__all__ = ["DepthFile", "Frame", "Recording", "is_recording", "read_recording"]


def is_recording(folder: Path) -> bool:
    return any(holds(folder) for holds in (is_tum, is_scannet, is_record3d))


def read_recording(folder: Path) -> Recording | None:
    """What the folder's files say of its frames, before any picture is looked at; None where it is no recording."""
    if is_tum(folder):
        return read_tum(folder)
    if is_scannet(folder):
        return read_scannet(folder)
    return read_record3d(folder) if is_record3d(folder) else None
