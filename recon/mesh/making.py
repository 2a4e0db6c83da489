"""The whole way from a model to its mesh."""

from __future__ import annotations

import numpy as np
import torch

from recon.errors import InputError
from recon.mesh.agreement import agreeing
from recon.mesh.baking import textured
from recon.mesh.cleaning import close_holes, decimate, without_floaters
from recon.mesh.colouring import coloured
from recon.mesh.config import MeshConfig
from recon.mesh.density import isosurface
from recon.mesh.fusion import choose_voxel, fuse
from recon.mesh.mesh import Mesh
from recon.mesh.photographed import photographed
from recon.mesh.poisson import poisson
from recon.mesh.telling import told
from recon.mesh.views import DepthView, Progress, depth_views
from recon.types import Cameras, HasDensity, Picture, Renderer, Scene

__all__ = ["dress", "make_mesh", "seen_surface", "without_unseen"]


def make_mesh(model: Renderer, scene: Scene, config: MeshConfig, *, progress: Progress) -> Mesh:
    """The surface that the scene's training cameras see of the model, in the world frame, with coloured vertices."""
    scale = float(scene.input_from_world[0, 0])
    voxel = None if config.voxel is None else config.voxel / scale
    cameras = scene.cameras[list(scene.train)]
    mesh = _found(model, scene, config, voxel, _part(progress, 0.0, 0.6))
    progress(0.6, "removing floaters")
    mesh = without_floaters(mesh, least=config.floaters)
    if config.close_holes > 0:
        mesh = close_holes(mesh, radius=config.close_holes / scale)
    progress(0.65, f"{len(mesh)} faces to {config.faces}")
    mesh = decimate(mesh, faces=config.faces)
    match config.method:
        case "fusion":
            return without_unseen(mesh, cameras, progress=_part(progress, 0.9, 1.0))
        case "poisson":
            return mesh
        case "density":
            return coloured(mesh, model, cameras, progress=_part(progress, 0.7, 1.0))


def _found(model: Renderer, scene: Scene, config: MeshConfig, voxel: float | None, progress: Progress) -> Mesh:
    """The surface as each method finds it, before it is cleaned. `voxel` is in world units."""
    if config.method == "density":
        if not isinstance(model, HasDensity):
            raise InputError(
                "--mesh.method density needs a radiance field; this run has splats.",
                advice="Use fusion or poisson, or train a nerf.",
            )
        return isosurface(model, voxel=voxel, progress=progress)
    views = seen_surface(model, scene, progress=_part(progress, 0.0, 0.7))
    voxel = choose_voxel(views, faces=config.faces) if voxel is None else voxel
    field = fuse(views, voxel=voxel, progress=_part(progress, 0.7, 1.0))
    return poisson(*field.points(), voxel=voxel) if config.method == "poisson" else field.mesh()


def dress(model: Renderer, scene: Scene, mesh: Mesh, *, largest: int, photos: bool, progress: Progress) -> Mesh:
    """The mesh with a texture from the training photos, or from renders of the model where there are no `photos`."""
    train = list(scene.train)

    def picture(index: int) -> Picture:
        if photos:
            return scene.images[train[index]]
        with torch.no_grad():
            render = model.render(scene.cameras[train[index]])
        straight = render.rgb / render.alpha.clamp(min=1e-3)[..., None]
        parts = (straight.clamp(0, 1), render.alpha.clamp(0, 1))
        return Picture(*((part * 255).round().to(torch.uint8).cpu() for part in parts))

    return textured(mesh, scene.cameras[train], picture, largest=largest, progress=progress)


def without_unseen(mesh: Mesh, cameras: Cameras, *, progress: Progress) -> Mesh:
    """Without the faces that no camera sees and that touch none that is seen: the insides of noisy walls."""
    seen = photographed(mesh, cameras, progress=progress).score.max(axis=0) > 0
    touched = np.zeros(len(mesh.vertices), dtype=bool)
    touched[mesh.faces[seen]] = True
    kept = np.asarray(touched[mesh.faces].any(axis=1))
    return mesh.keep(kept) if kept.any() else mesh


def seen_surface(model: Renderer, scene: Scene, *, progress: Progress) -> list[DepthView]:
    """Depth maps of the training cameras, with what no other camera confirms left out.

    Where the scene's `depths` say something, that counts: they come from photos, not from a model of them.
    """
    views = depth_views(model, scene.cameras[list(scene.train)], progress=_part(progress, 0.0, 0.6))
    confirmed = agreeing(views, progress=_part(progress, 0.6, 1.0))
    return [
        told(view, scene.depths[index], scene.images[index].alpha) if index in scene.depths else view
        for index, view in zip(scene.train, confirmed, strict=True)
    ]


def _part(progress: Progress, start: float, end: float) -> Progress:
    return lambda done, what: progress(start + (end - start) * done, what)
