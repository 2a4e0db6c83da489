"""A run's cameras, points and undistorted pictures as COLMAP's own tools leave them: for other trainers and viewers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.export.views import picture_names
from recon.geometry import quaternion_from_rotation, scale_of, transform_points
from recon.io.disk import whole
from recon.mesh.views import Progress
from recon.types import Scene

__all__ = ["export_colmap"]


def export_colmap(
    scene: Scene, path: Path, *, output_from_world: Float[np.ndarray, "4 4"], photos: bool, progress: Progress
) -> int:
    """`sparse/0` in COLMAP's text format, and `images` where the `photos` can be read; the number of cameras.

    Cameras are pinholes at working resolution, which the pictures in `images` have.
    """
    if np.linalg.det(output_from_world[:3, :3]) < 0:
        raise InputError("COLMAP has no left-handed frame.", advice="Leave out --frame, or ask for colmap or opengl.")
    names = picture_names(scene.names)
    with whole(path) as unfinished:
        sparse = unfinished / "sparse" / "0"
        sparse.mkdir(parents=True)
        (sparse / "cameras.txt").write_text(_cameras(scene))
        (sparse / "images.txt").write_text(_images(scene, names, output_from_world))
        (sparse / "points3D.txt").write_text(_points(scene, output_from_world))
        for index, name in enumerate(names if photos else ()):
            progress(index / len(names), name)
            _write_picture(scene, index, unfinished / "images" / name)
    return len(names)


def _cameras(scene: Scene) -> str:
    """One camera for each view: refinement may have given each its own focal length."""
    lines = ["# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]"]
    for index in range(len(scene)):
        camera = scene.cameras[index]
        numbers = (*camera.focal.double().tolist(), *camera.center.double().tolist())
        words = " ".join(repr(value) for value in numbers)
        lines.append(f"{index + 1} PINHOLE {int(camera.width)} {int(camera.height)} {words}")
    return "\n".join([*lines, ""])


def _images(scene: Scene, names: list[str], output_from_world: Float[np.ndarray, "4 4"]) -> str:
    """Two lines for each: the pose, and the (empty) list of its points."""
    cam_from_output = scene.cameras.cam_from_world.double().numpy() @ np.linalg.inv(output_from_world)
    cam_from_output[:, :3] *= scale_of(output_from_world)
    lines = ["# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME", "# POINTS2D[] as (X, Y, POINT3D_ID)"]
    for index, name in enumerate(names):
        quaternion = quaternion_from_rotation(cam_from_output[index, :3, :3])
        numbers = (*quaternion.tolist(), *cam_from_output[index, :3, 3].tolist())
        lines += [f"{index + 1} {' '.join(repr(value) for value in numbers)} {index + 1} {name}", ""]
    return "\n".join([*lines, ""])


def _points(scene: Scene, output_from_world: Float[np.ndarray, "4 4"]) -> str:
    xyz = transform_points(output_from_world, scene.points.xyz.double().numpy())
    rows = zip(xyz.tolist(), scene.points.rgb.tolist(), strict=True)
    lines = [f"{i + 1} {x!r} {y!r} {z!r} {r} {g} {b} 0" for i, ((x, y, z), (r, g, b)) in enumerate(rows)]
    return "\n".join(["# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[]", *lines, ""])


def _write_picture(scene: Scene, index: int, path: Path) -> None:
    import torch
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    picture = scene.images[index]
    pixels = picture.rgb if picture.alpha is None else torch.cat([picture.rgb, picture.alpha[..., None]], dim=-1)
    Image.fromarray(pixels.numpy()).save(path)
