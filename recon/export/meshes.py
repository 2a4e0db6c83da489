"""A model's mesh as a file: made, dressed with the photos, written, read back and looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from recon.errors import RunError
from recon.io.disk import whole
from recon.mesh.config import MeshConfig
from recon.mesh.files import mesh_format, read_shape, write_mesh
from recon.mesh.making import dress, make_mesh
from recon.mesh.mesh import Mesh
from recon.mesh.sight import MeshRenderer
from recon.mesh.views import Progress
from recon.types import Renderer, Scene

__all__ = ["WrittenMesh", "export_mesh", "texture_psnr"]

_LOOKED_AT = 10
"""Photos that the written mesh is compared with."""
_FLOAT_ROUNDING = 1e-5
"""Share of its size, and of its distance from the origin, that a file may move a vertex by."""


@dataclass(frozen=True)
class WrittenMesh:
    vertices: int
    faces: int
    texture: tuple[int, int] | None
    """Width and height."""
    psnr: float | None
    """Of the textured mesh against training photos, where it covers them; None without texture or photos."""


def export_mesh(
    model: Renderer,
    scene: Scene,
    path: Path,
    *,
    config: MeshConfig,
    output_from_world: Float[np.ndarray, "4 4"],
    photos: bool,
    progress: Progress,
) -> WrittenMesh:
    """`photos`: those of the scene can be read. Without them, the texture is what the model itself shows."""
    suffix = mesh_format(path)
    mesh = make_mesh(model, scene, config, progress=lambda done, what: progress(0.7 * done, what))
    score = None
    if suffix != ".ply" and config.texture_size > 0:
        largest = config.texture_size
        mesh = dress(
            model, scene, mesh, largest=largest, photos=photos, progress=lambda d, what: progress(0.7 + 0.2 * d, what)
        )
        progress(0.9, "comparing with photos")
        score = texture_psnr(mesh, scene) if photos else None
    progress(0.95, "writing")
    moved = mesh.moved(output_from_world)
    up = output_from_world[:3, :3] @ scene.up.double().numpy()
    _write(moved, path, suffix, up)
    _check(moved, path)
    size = None if mesh.texture is None else (mesh.texture.image.shape[1], mesh.texture.image.shape[0])
    return WrittenMesh(len(mesh.vertices), len(mesh), size, score)


def texture_psnr(mesh: Mesh, scene: Scene) -> float:
    """Of some training views, over the pixels that the mesh covers; dB of the mean over views."""
    renderer, scores = MeshRenderer(mesh), []
    for index in scene.train[:: max(len(scene.train) // _LOOKED_AT, 1)]:
        picture, render = scene.images[index], renderer.render(scene.cameras[index])
        weight = render.alpha
        for part in (picture.alpha, picture.mask):
            weight = weight if part is None else weight * (part > 250)
        if float(weight.sum()) > 0:
            square = (render.rgb - picture.rgb.float() / 255).double().square().mean(dim=-1)
            scores.append(-10 * math.log10(max(float((square * weight).sum() / weight.sum()), 1e-10)))
    return float(np.mean(scores)) if scores else float("nan")


def _write(mesh: Mesh, path: Path, suffix: str, up: Float[np.ndarray, "3"]) -> None:
    """An OBJ's picture and material get their names before the OBJ itself does."""
    if suffix != ".obj":
        with whole(path) as unfinished:
            write_mesh(mesh, unfinished, suffix=suffix, up=up)
        return
    with whole(path.with_name(path.name + ".files")) as folder:
        folder.mkdir()
        written = write_mesh(mesh, folder / path.name, suffix=suffix, up=up)
        for file in reversed(written):
            file.replace(path.parent / file.name)
    path.with_name(path.name + ".files").rmdir()


def _check(mesh: Mesh, path: Path) -> None:
    """The file holds the triangles that were to be written."""
    read = read_shape(path)
    size = np.abs(mesh.vertices).max() + 1e-12
    same = len(read.faces) == len(mesh) and np.allclose(
        read.vertices[read.faces], mesh.vertices[mesh.faces], rtol=0, atol=_FLOAT_ROUNDING * size
    )
    if not same:
        raise RunError(f"{path} does not read back as it was written.", advice="Check the disk and export again.")
