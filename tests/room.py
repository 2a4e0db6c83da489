"""A small made-up scene: a cube in a room, every surface tiled in colours of its own, seen by a ring of cameras.

Rendered by intersecting rays with two boxes, so colour, depth and points are exact. The world is right handed with
z up; lengths are metres; cameras follow recon's axes (+x right, +y down, +z forward).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from recon.types import Cameras, Gaussians, Picture, Points, Scene

__all__ = ["InMemory", "Room", "make_room"]

ROOM = (np.array([-2.0, -2.0, 0.0]), np.array([2.0, 2.0, 2.4]))
CUBE = (np.array([-0.4, -0.4, 0.0]), np.array([0.4, 0.4, 0.8]))
TILE = 0.2  # metres


@dataclass(frozen=True)
class InMemory:
    """The simplest image store."""

    pictures: tuple[Picture, ...]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> Picture:
        return self.pictures[index]


@dataclass(frozen=True)
class Room:
    """The room as `views` cameras see it."""

    cameras: Cameras
    rgb: np.ndarray
    """uint8 [n h w 3]"""
    depth: np.ndarray
    """float32 [n h w], metres along the camera's z axis."""
    points: Points

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(f"room_{index:02d}.png" for index in range(len(self.rgb)))

    def scene(self, test: tuple[int, ...] = (0,)) -> Scene:
        """The room ready to train on, pictures in memory, `test` held out."""
        pictures = [Picture(torch.from_numpy(rgb)) for rgb in self.rgb]
        train = tuple(index for index in range(len(pictures)) if index not in test)
        return Scene(
            names=self.names,
            cameras=self.cameras,
            images=InMemory(tuple(pictures)),
            points=self.points,
            train=train,
            test=test,
            up=torch.tensor([0.0, 0.0, 1.0]),
        )

    def write_photos(self, folder: Path) -> Path:
        """PNG files of every view in `folder`, without poses."""
        from PIL import Image  # here: the rest of this file is for bare machines too

        folder.mkdir(parents=True, exist_ok=True)
        for name, rgb in zip(self.names, self.rgb, strict=True):
            Image.fromarray(rgb).save(folder / name)
        return folder

    def write_posed_photos(self, folder: Path) -> Path:
        """The photos and the poses that lie with them, so that no structure from motion is needed."""
        self.write_photos(folder)
        cameras, frames = self.cameras, []
        for index, name in enumerate(self.names):
            world_from_cam = torch.linalg.inv(cameras.cam_from_world[index].double())
            world_from_cam[:, 1:3] *= -1  # transforms.json has y up and z backward
            frames.append({"file_path": name, "transform_matrix": world_from_cam.tolist()})
        lens = {"fl_x": float(cameras.focal[0, 0]), "fl_y": float(cameras.focal[0, 1])}
        lens |= {"cx": float(cameras.center[0, 0]), "cy": float(cameras.center[0, 1])}
        lens |= {"w": int(cameras.width[0]), "h": int(cameras.height[0])}
        (folder / "transforms.json").write_text(json.dumps(lens | {"frames": frames}))
        return folder

    def gaussians(self, sh_degree: int = 0) -> Gaussians:
        """Flat, opaque Gaussians on the surfaces: a coarse but recognisable splat of the room."""
        count, spacing = len(self.points), 0.05
        sh = torch.zeros(count, (sh_degree + 1) ** 2, 3)
        sh[:, 0] = (self.points.rgb / 255 - 0.5) / 0.28209479177387814  # of the constant spherical harmonic
        return Gaussians(
            means=self.points.xyz,
            quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(count, 1),
            log_scales=torch.full((count, 3), float(np.log(spacing))),
            opacity_logits=torch.full((count,), 4.0),
            sh=sh,
        )


def make_room(views: int = 6, width: int = 64, height: int = 48, points: int = 2000) -> Room:
    """The room seen by `views` cameras on a ring of 1.5 m radius, 1.2 m above the floor, all facing the cube."""
    focal = 0.8 * width
    cam_from_world = np.stack([_facing_the_cube(2 * np.pi * index / views) for index in range(views)])
    rgb, depth, seen, seen_rgb = [], [], [], []
    for camera in cam_from_world:
        colours, positions, distances = _render(camera, focal, width, height)
        rgb.append(colours)
        depth.append(distances)
        seen.append(positions.reshape(-1, 3))
        seen_rgb.append(colours.reshape(-1, 3))
    chosen = np.random.default_rng(0).choice(views * width * height, points, replace=False)
    return Room(
        cameras=Cameras(
            cam_from_world=torch.from_numpy(cam_from_world).float(),
            focal=torch.full((views, 2), focal),
            center=torch.tensor([[width / 2, height / 2]]).repeat(views, 1),
            width=torch.full((views,), width),
            height=torch.full((views,), height),
        ),
        rgb=np.stack(rgb),
        depth=np.stack(depth).astype(np.float32),
        points=Points(
            xyz=torch.from_numpy(np.concatenate(seen)[chosen]).float(),
            rgb=torch.from_numpy(np.concatenate(seen_rgb)[chosen]),
        ),
    )


def _facing_the_cube(angle: float) -> np.ndarray:
    position = np.array([1.5 * np.cos(angle), 1.5 * np.sin(angle), 1.2])
    forward = np.array([0.0, 0.0, 0.4]) - position
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    rotation = np.stack([right, np.cross(forward, right), forward])
    cam_from_world = np.eye(4)
    cam_from_world[:3, :3], cam_from_world[:3, 3] = rotation, -rotation @ position
    return cam_from_world


def _render(cam_from_world: np.ndarray, focal: float, width: int, height: int) -> tuple[np.ndarray, ...]:
    """Colour, world position and depth of the surface behind every pixel's centre."""
    x, y = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
    rotation = cam_from_world[:3, :3]
    rays = np.stack([x / focal, y / focal, np.ones_like(x)], axis=-1) @ rotation  # unit length along the camera's z
    origin = -rotation.T @ cam_from_world[:3, 3]
    _, depth = _crossings(origin, rays, *ROOM)
    enter, leave = _crossings(origin, rays, *CUBE)
    on_cube = (enter < leave) & (enter > 0)
    depth = np.where(on_cube, enter, depth)
    positions = origin + depth[..., None] * rays
    return _tiles(positions, on_cube), positions, depth


def _crossings(
    origin: np.ndarray, rays: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where rays enter and leave a box; they miss it where they leave before they enter."""
    with np.errstate(divide="ignore"):
        one, other = (low - origin) / rays, (high - origin) / rays
    return np.minimum(one, other).max(axis=-1), np.maximum(one, other).min(axis=-1)


def _tiles(positions: np.ndarray, on_cube: np.ndarray) -> np.ndarray:
    """A random but fixed colour for every tile of every surface."""
    # Half a tile off the grid, so that a surface lying on a grid line does not flicker between two tiles.
    cell = np.floor((positions + TILE / 2) / TILE).astype(np.int64) + 64
    index = (cell[..., 0] * 128 + cell[..., 1]) * 128 + cell[..., 2] + on_cube * 7919
    palette = np.random.default_rng(1).integers(30, 226, size=(4099, 3), dtype=np.uint8)
    return palette[index % len(palette)]
