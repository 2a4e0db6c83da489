"""Cameras that circle what the photos look at, and the video they see.

Frames: everything in the world frame. `up` is the unit vector against gravity.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.export.views import Progress, render_picture
from recon.geometry import camera_positions, focus_point, look_at
from recon.io.disk import unwritable
from recon.types import Cameras, Renderer, Scene

__all__ = ["orbit_cameras", "write_video"]

_WIDEST_GAP = math.radians(120)
"""Photos that leave more of the circle unseen than this are not circled: the camera swings where they were taken."""


def orbit_cameras(scene: Scene, frames: int) -> Cameras:
    """Cameras looking at the photos' common focus from their median distance and elevation, lens as the median photo.

    A full circle where the photos go around; otherwise a swing there and back between the outermost ones.
    """
    cameras = scene.cameras[list(scene.train)]
    up = scene.up.double().numpy()
    focus = _focus(scene, cameras)
    east, north = _horizon(up)
    offsets = cameras.position.double().numpy() - focus
    height = offsets @ up
    elevation = np.median(np.arctan2(height, np.hypot(offsets @ east, offsets @ north)))
    distance = np.median(np.linalg.norm(offsets, axis=-1))
    azimuth = _azimuths(np.arctan2(offsets @ north, offsets @ east), frames)[:, None]
    outward = np.cos(elevation) * (np.cos(azimuth) * east + np.sin(azimuth) * north) + np.sin(elevation) * up
    poses = np.stack([look_at(eye, focus, up) for eye in focus + distance * outward])
    return _with_lens(cameras, torch.from_numpy(poses).float())


def write_video(
    model: Renderer, cameras: Cameras, path: Path, *, fps: int, background: Float[Tensor, "3"], progress: Progress
) -> None:
    """H.264 in yuv420p, which every player and browser shows. Image sides have to be even."""
    import av

    unfinished = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(unfinished), "w", format="mp4", options={"movflags": "faststart"}) as container:
            stream = container.add_stream("libx264", rate=fps, options={"crf": "18", "preset": "medium"})
            stream.width, stream.height = int(cameras.width[0]), int(cameras.height[0])
            stream.pix_fmt = "yuv420p"
            for done in range(len(cameras)):
                progress(done / len(cameras), f"frame {done + 1} of {len(cameras)}")
                picture = render_picture(model, cameras[done], background)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.numpy(), format="rgb24")))
            container.mux(stream.encode())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise unwritable(path, error) from error


def _focus(scene: Scene, cameras: Cameras) -> Float[np.ndarray, "3"]:
    """Where the photos look; at the points' median depth where their lines of sight are parallel or meet far off."""
    poses = cameras.cam_from_world.double().numpy()
    positions, axes = camera_positions(poses), poses[:, 2, :3]
    seen = (scene.points.xyz.double().numpy() @ axes.T - (positions * axes).sum(axis=-1)) if len(scene.points) else None
    depth = float(np.median(seen[seen > 0])) if seen is not None and (seen > 0).any() else scene.extent
    focus = focus_point(poses)
    if focus is not None and 0.1 * depth < np.median(((focus - positions) * axes).sum(axis=-1)) < 10 * depth:
        return focus
    axis = axes.mean(axis=0)
    return positions.mean(axis=0) + depth * axis / max(float(np.linalg.norm(axis)), 1e-6)


def _horizon(up: Float[np.ndarray, "3"]) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Two directions square to `up` and to each other."""
    east = np.cross(np.eye(3)[np.argmin(np.abs(up))], up)
    east = east / np.linalg.norm(east)
    return east, np.cross(up, east)


def _azimuths(taken: Float[np.ndarray, "n"], frames: int) -> Float[np.ndarray, "frames"]:
    """Angles of the orbit, given those of the photos."""
    ordered = np.sort(taken)
    gaps = np.diff(np.append(ordered, ordered[0] + 2 * np.pi))
    widest = int(np.argmax(gaps))
    turn = np.linspace(0, 2 * np.pi, frames, endpoint=False)
    if gaps[widest] < _WIDEST_GAP:
        return taken[0] + turn
    start = ordered[(widest + 1) % len(ordered)]
    return start + (2 * np.pi - gaps[widest]) * (1 - np.cos(turn)) / 2


def _with_lens(cameras: Cameras, cam_from_world: Float[Tensor, "frames 4 4"]) -> Cameras:
    """The median photo's angle of view, on pictures with even sides."""
    middle = cameras[int((cameras.focal[:, 0] / cameras.width).argsort()[len(cameras) // 2])]
    frames = len(cam_from_world)
    size = torch.stack([middle.width, middle.height]) // 2 * 2
    return Cameras(
        cam_from_world=cam_from_world,
        focal=middle.focal.expand(frames, 2),
        center=(size / 2).expand(frames, 2),
        width=size[0].expand(frames),
        height=size[1].expand(frames),
    )
