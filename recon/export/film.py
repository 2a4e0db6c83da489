"""A run as a film: around what the photos look at, along where they were taken, or through views somebody chose."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from recon.export.around import around
from recon.export.orbit import orbit_cameras, with_lens
from recon.export.travel import shortest_order, smoothed, through
from recon.export.video import write_video
from recon.export.work import Progress, Work, Written
from recon.geometry import invert_similarity, rotation_from_quaternion, scale_of, similarity, transform_points
from recon.io.keyframes import Keyframe
from recon.types import Cameras, Scene

__all__ = ["Route", "export_film", "film_cameras"]

Route = str | tuple[Keyframe, ...]
"""`orbit`, `path`, or views to pass through."""

_FPS = 30
_ORBIT = 8.0
_EACH_VIEW = 2.5
_EACH_PHOTO, _LEAST, _MOST = 0.4, 8.0, 30.0


@dataclass(frozen=True)
class _Way:
    """Poses in the world and vertical angles of view, radians."""

    cam_from_world: Float[np.ndarray, "n 4 4"]
    fov: Float[np.ndarray, "n"]


def export_film(work: Work, path: Path, progress: Progress) -> Written:
    """Through the work's keyframes where it has some; along the photos where the name says path; otherwise around."""
    named = "path" in re.findall(r"[a-z]+", path.stem.lower())
    route: Route = work.keyframes or ("path" if named else "orbit")
    cameras = film_cameras(work.scene, route, fps=_FPS)
    write_video(work.model, cameras, path, fps=_FPS, background=work.background, progress=progress)
    size, seconds = path.stat().st_size, len(cameras) / _FPS
    way = route if isinstance(route, str) else f"{len(route)} views"
    facts = {"format": "H.264", "frame": "input", "way": way, "frames": len(cameras), "seconds": seconds}
    return Written(f"{way}, {len(cameras)} frames, {seconds:.0f} s, {size / 1e6:.1f} MB", facts)


def film_cameras(scene: Scene, route: Route, *, fps: int, seconds: float | None = None) -> Cameras:
    """Pictures with even sides, as large as the photos. Without `seconds`, as long as there is to see."""
    if route == "orbit":
        return orbit_cameras(scene, max(round((seconds or _ORBIT) * fps), 1))
    way = _photos(scene) if isinstance(route, str) else _chosen(scene, route)
    if seconds is None:
        photos = min(max(_EACH_PHOTO * len(way.fov), _LEAST), _MOST)
        seconds = photos if isinstance(route, str) else _EACH_VIEW * (len(way.fov) - 1)
    depth = max(float(np.median(around(scene).distances)), 1e-9)
    if isinstance(route, str):
        order = shortest_order(way.cam_from_world, depth)
        way = _Way(smoothed(way.cam_from_world[order], depth), way.fov[order])
    poses, fov = through(way.cam_from_world, way.fov, max(round(seconds * fps), 1), depth)
    cameras = with_lens(scene.cameras[list(scene.train)], torch.from_numpy(poses).float())
    if isinstance(route, str):
        return cameras
    focal = cameras.height / 2 / torch.from_numpy(np.tan(fov / 2)).float()
    return replace(cameras, focal=focal[:, None].expand(-1, 2))


def _photos(scene: Scene) -> _Way:
    cameras = scene.cameras[sorted((*scene.train, *scene.test))]
    return _Way(cameras.cam_from_world.double().numpy(), np.ones(len(cameras)))


def _chosen(scene: Scene, keyframes: tuple[Keyframe, ...]) -> _Way:
    """The views of a file, which are in the input frame."""
    world_from_input = invert_similarity(scene.input_from_world.double().numpy())
    turn = world_from_input[:3, :3] / scale_of(world_from_input)
    poses = []
    for keyframe in keyframes:
        cam_from_world = (turn @ rotation_from_quaternion(np.array(keyframe.wxyz))).T
        position = transform_points(world_from_input, np.array(keyframe.position))
        poses.append(similarity(1.0, cam_from_world, -cam_from_world @ position))
    return _Way(np.stack(poses), np.array([keyframe.fov for keyframe in keyframes]))
