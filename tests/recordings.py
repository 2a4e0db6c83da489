"""The room as RGB-D cameras would have recorded it, in the layouts of three of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image
from room import Room, make_room

from recon.geometry import invert_similarity, quaternion_from_rotation

__all__ = ["write_map", "write_record3d", "write_scannet", "write_tum"]

_OPENGL_FROM_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])


def write_tum(room: Room, folder: Path) -> Path:
    """Photos ten a second; maps 4 ms later; poses before and after each photo, the camera turning in between."""
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    photos, maps, poses = ["# color images"], ["# depth maps"], ["# timestamp tx ty tz qx qy qz qw"]
    for index, (rgb, depth) in enumerate(zip(room.rgb, room.depth, strict=True)):
        time = 1305031102.0 + 0.1 * index
        photos.append(f"{time:.6f} rgb/{time:.6f}.png")
        maps.append(f"{time + 0.004:.6f} depth/{time + 0.004:.6f}.png")
        Image.fromarray(rgb).save(folder / photos[-1].split()[1])
        Image.fromarray((depth * 5000).round().astype(np.uint16)).save(folder / maps[-1].split()[1])
        pose = _world_from_cam(room, index)
        x, y, z = pose[:3, 3]
        w, *rest = quaternion_from_rotation(pose[:3, :3])
        poses.append(f"{time - 0.01:.4f} {x - 0.1} {y} {z} " + " ".join(str(-v) for v in (*rest, w)))
        poses.append(f"{time + 0.01:.4f} {x + 0.1} {y} {z} " + " ".join(str(v) for v in (*rest, w)))
    (folder / "rgb.txt").write_text("\n".join(photos) + "\n")
    (folder / "depth.txt").write_text("\n".join(maps) + "\n")
    (folder / "groundtruth.txt").write_text("\n".join(poses) + "\n")
    fx, fy = room.cameras.focal[0].tolist()
    cx, cy = (room.cameras.center[0] - 0.5).tolist()
    (folder / "calibration.txt").write_text(f"{fx} {fy} {cx} {cy}\n")
    return folder


def write_scannet(room: Room, folder: Path) -> Path:
    """Colour at the room's size, depth at half of it with intrinsics of its own; the third pose was lost."""
    for part in ("color", "depth", "pose", "intrinsic"):
        (folder / part).mkdir(parents=True)
    for index, (rgb, half) in enumerate(zip(room.rgb, _half(room), strict=True)):
        Image.fromarray(rgb).save(folder / "color" / f"{index}.jpg", quality=95)
        Image.fromarray((half * 1000).round().astype(np.uint16)).save(folder / "depth" / f"{index}.png")
        pose = np.full((4, 4), -np.inf) if index == 2 else _world_from_cam(room, index)
        np.savetxt(folder / "pose" / f"{index}.txt", pose, fmt="%.6f")
    fx, fy = room.cameras.focal[0].tolist()
    cx, cy = room.cameras.center[0].tolist()
    _intrinsics(folder / "intrinsic" / "intrinsic_color.txt", fx, fy, cx - 0.5, cy - 0.5)
    _intrinsics(folder / "intrinsic" / "intrinsic_depth.txt", fx / 2, fy / 2, cx / 2 - 0.5, cy / 2 - 0.5)
    return folder


def write_record3d(room: Room, folder: Path) -> Path:
    """Depth at half the photos' size."""
    (folder / "rgb").mkdir(parents=True)
    (folder / "depth").mkdir()
    poses = []
    for index, (rgb, half) in enumerate(zip(room.rgb, _half(room), strict=True)):
        Image.fromarray(rgb).save(folder / "rgb" / f"{index}.jpg", quality=95)
        write_map(folder / "depth" / f"{index}.exr", half)
        pose = _world_from_cam(room, index) @ _OPENGL_FROM_OPENCV
        w, x, y, z = quaternion_from_rotation(pose[:3, :3])
        poses.append([x, y, z, w, *pose[:3, 3]])
    fx, fy = room.cameras.focal[0].tolist()
    cx, cy = room.cameras.center[0].tolist()
    size = {"w": int(room.cameras.width[0]), "h": int(room.cameras.height[0]), "fps": 60}
    metadata = size | {"K": [fx, 0, 0, 0, fy, 0, cx, cy, 1], "poses": poses}
    (folder / "metadata.json").write_text(json.dumps(metadata))
    return folder


def write_map(path: Path, depth: np.ndarray) -> None:
    """As OpenEXR."""
    import OpenEXR

    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"R": np.ascontiguousarray(depth)}).write(str(path))


def _half(room: Room) -> np.ndarray:
    """Its depth at half the size."""
    width, height = int(room.cameras.width[0]) // 2, int(room.cameras.height[0]) // 2
    return make_room(len(room.rgb), width, height, points=1).depth


def _world_from_cam(room: Room, index: int) -> np.ndarray:
    return invert_similarity(room.cameras.cam_from_world[index].double().numpy())


def _intrinsics(path: Path, fx: float, fy: float, cx: float, cy: float) -> None:
    np.savetxt(path, np.array([[fx, 0, cx, 0], [0, fy, cy, 0], [0, 0, 1, 0], [0, 0, 0, 1]]), fmt="%.6f")
