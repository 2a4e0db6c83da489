"""Points on the surfaces that a recording's depth maps show, in metres, with their colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from recon.errors import InputError
from recon.io.depth_file import read_depth
from recon.io.depth_sampling import even, inverse_seen
from recon.io.photos import open_photo
from recon.io.rgbd.recording import DepthFile, Frame
from recon.io.undistort import pinhole_of, warp
from recon.types import Points

__all__ = ["points_of"]

_POINTS = 50_000
_FRAMES = 60
_LONGEST = 160
"""Pixels of the maps that points are taken from."""


def points_of(frames: Sequence[Frame], folder: Path) -> Points:
    """Of frames spread evenly. None where nothing can be read; whoever wants the depth itself is told why."""
    with_depth = [(frame, frame.depth) for frame in frames if frame.depth is not None]
    chosen = with_depth[:: max(-(-len(with_depth) // _FRAMES), 1)]
    parts = []
    for frame, depth in chosen:
        try:
            parts.append(_points(frame, depth, folder, _POINTS // len(chosen)))
        except InputError:
            continue
    if len(parts) == 0:
        return Points(torch.zeros(0, 3, dtype=torch.float64), torch.zeros(0, 3, dtype=torch.uint8))
    return Points(torch.cat([part.xyz for part in parts]), torch.cat([part.rgb for part in parts]))


def _points(frame: Frame, depth: DepthFile, folder: Path, count: int) -> Points:
    pinhole = pinhole_of(frame.lens, _LONGEST)
    inverse = inverse_seen(torch.from_numpy(read_depth(depth.path, steps=depth.steps)), depth.lens, pinhole)
    seen = torch.where(inverse > 0, 1 / inverse.clamp(min=1e-9), 0)
    row, column = even(seen).nonzero(as_tuple=True)
    some = torch.from_numpy(np.random.default_rng(0).permutation(len(row))[:count])
    row, column = row[some], column[some]
    x = (column + 0.5 - pinhole.center[0]) / pinhole.focal[0]
    y = (row + 0.5 - pinhole.center[1]) / pinhole.focal[1]
    in_cam = torch.stack([x, y, torch.ones_like(x)], dim=-1) * seen[row, column][:, None]
    pose = torch.from_numpy(frame.input_from_cam)
    photo = torch.from_numpy(np.array(open_photo(folder / frame.name).convert("RGB"))).permute(2, 0, 1).float()
    rgb = warp(photo, frame.lens, pinhole, 2).round().clamp(0, 255).byte()
    return Points(in_cam.double() @ pose[:3, :3].T + pose[:3, 3], rgb[:, row, column].T.contiguous())
