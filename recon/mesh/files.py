"""Meshes into files and back, by trimesh: GLB, OBJ and PLY.

GLB wants +y up and its numbers small: the geometry is stored about its own centre, a node carries it to where it
belongs, and the node above it, `recon_upright`, turns the frame's up to +y. Reading takes that turn back.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.geometry import similarity
from recon.io.ply_header import read_header
from recon.io.splats.gltf import holds_splats
from recon.mesh.comparing import Shape
from recon.mesh.mesh import Mesh

if TYPE_CHECKING:
    import trimesh

__all__ = ["SUFFIXES", "mesh_format", "read_shape", "write_mesh"]

SUFFIXES = (".glb", ".obj", ".ply")
_UPRIGHT = "recon_upright"
_UNLIT = "KHR_materials_unlit"


def mesh_format(path: Path) -> str:
    """The suffix, when meshes can be written so."""
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise InputError(
            f"recon cannot write a mesh as {path.name}: it writes {', '.join(SUFFIXES)}.",
            advice="Give the file one of these endings.",
        )
    return suffix


def write_mesh(mesh: Mesh, path: Path, *, suffix: str, up: Float[np.ndarray, "3"]) -> list[Path]:
    """The mesh as a file of kind `suffix`, whatever `path` ends in; every file written, `path` first.

    PLY holds colours of vertices; GLB and OBJ the texture where the mesh has one. The picture and the material of an
    OBJ lie beside it.
    """
    match suffix:
        case ".glb":
            path.write_bytes(_glb(mesh, up))
            return [path]
        case ".obj":
            return _write_obj(mesh, path)
        case ".ply":
            path.write_bytes(_ply(mesh))
            return [path]
        case _:
            raise AssertionError(suffix)


def read_shape(path: Path) -> Shape:
    """The triangles of a mesh file, or the points where it has none, in the frame they were written in."""
    import trimesh

    if not path.is_file():
        raise InputError(
            f"{path} does not exist or is no file.", advice="Pass a mesh or point cloud: .ply, .glb, .obj, .stl."
        )
    if path.stat().st_size == 0:
        raise InputError(f"{path} is empty.", advice="Copy or export it again.")
    if path.suffix.lower() == ".ply":
        read_header(path)  # trimesh takes less than was promised
    if path.suffix.lower() == ".glb" and holds_splats(path):
        raise InputError(
            f"{path} holds splats, in the axes of glTF and not in those of the truth.",
            advice="Pass the .ply of the same splats, or a mesh: recon export RUN --to mesh.glb.",
        )
    try:
        loaded = trimesh.load(path, process=False)
        if isinstance(loaded, trimesh.Scene):
            upright = loaded.graph[_UPRIGHT][0] if _UPRIGHT in loaded.graph.nodes else np.eye(4)
            loaded = loaded.to_geometry()
            loaded.apply_transform(np.linalg.inv(upright))
        vertices = np.asarray(getattr(loaded, "vertices", np.zeros((0, 3))), dtype=np.float64).reshape(-1, 3)
        faces = np.asarray(getattr(loaded, "faces", np.zeros((0, 3))), dtype=np.int64).reshape(-1, 3)
    except Exception as error:  # trimesh has no exception of its own: a broken file raises whatever it stumbles over
        raise InputError(
            f"{path} cannot be read as a mesh: {error}.", advice="Pass a .ply, .glb, .obj or .stl file."
        ) from error
    good = np.atleast_1d(np.isfinite(vertices).all(axis=1))
    if len(faces) > 0:
        faces = faces[good[faces].all(axis=1)]
        vertices = np.where(good[:, None], vertices, 0)
    else:
        vertices = vertices[good]
    if len(vertices) == 0:
        raise InputError(f"{path} holds no vertices.", advice="Pass another file.")
    return Shape(vertices, faces)


def _plain(mesh: Mesh) -> trimesh.Trimesh:
    import trimesh

    return trimesh.Trimesh(mesh.vertices, mesh.faces, vertex_colors=mesh.rgb, process=False)


def _shown(mesh: Mesh, centre: Float[np.ndarray, "3"], material: str = "photos") -> trimesh.Trimesh:
    """With its texture if it has one; each vertex once for every place it has in the texture."""
    import trimesh
    from PIL import Image
    from trimesh.visual.material import PBRMaterial
    from trimesh.visual.texture import TextureVisuals

    if mesh.texture is None:
        shown = _plain(mesh)
        shown.vertices = mesh.vertices - centre
        return shown
    places = np.stack([mesh.faces.ravel(), mesh.texture.corners.ravel()], axis=1)
    pairs, faces = np.unique(places, axis=0, return_inverse=True)
    photos = PBRMaterial(
        name=material,
        baseColorTexture=Image.fromarray(mesh.texture.image),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    visual = TextureVisuals(uv=mesh.texture.uv[pairs[:, 1]], material=photos)
    vertices = mesh.vertices[pairs[:, 0]] - centre
    return trimesh.Trimesh(vertices, faces.reshape(-1, 3), visual=visual, process=False)


def _ply(mesh: Mesh) -> bytes:
    from trimesh.exchange.ply import export_ply

    return export_ply(_plain(mesh))


def _glb(mesh: Mesh, up: Float[np.ndarray, "3"]) -> bytes:
    import trimesh
    from trimesh.exchange.gltf import export_glb

    centre = mesh.vertices.mean(axis=0)
    scene = trimesh.Scene(base_frame="world")
    scene.graph.update(frame_from="world", frame_to=_UPRIGHT, matrix=_turned_up(up))
    scene.add_geometry(
        _shown(mesh, centre),
        node_name="mesh",
        geom_name="mesh",
        parent_node_name=_UPRIGHT,
        transform=similarity(translation=centre),
    )

    def unlit(tree: dict[str, Any]) -> None:
        """Photos hold their light already: lamps of the viewer would add another."""
        for material in tree.get("materials", ()):
            material.setdefault("extensions", {})[_UNLIT] = {}
        if tree.get("materials"):
            tree["extensionsUsed"] = sorted({*tree.get("extensionsUsed", ()), _UNLIT})

    return export_glb(scene, include_normals=True, tree_postprocessor=unlit)


def _write_obj(mesh: Mesh, path: Path) -> list[Path]:
    from trimesh.exchange.obj import export_obj

    stem = "_".join(path.stem.split())  # names in an OBJ end at a space
    shown = _shown(mesh, np.zeros(3), material=stem)
    text, beside = export_obj(shown, include_normals=False, return_texture=True, mtl_name=f"{stem}.mtl")
    written = [path]
    path.write_text(text)
    for name, data in beside.items():
        with contextlib.suppress(OSError):
            (path.parent / name).unlink()
        (path.parent / name).write_bytes(data)
        written.append(path.parent / name)
    return written


def _turned_up(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "4 4"]:
    """The smallest rotation that takes `up` to +y."""
    y = np.array([0.0, 1.0, 0.0])
    up = up / np.linalg.norm(up)
    axis, cosine = np.cross(up, y), float(up @ y)
    if cosine < -1 + 1e-9:
        return similarity(rotation=np.diag([1.0, -1.0, -1.0]))
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return similarity(rotation=np.eye(3) + cross + cross @ cross / (1 + cosine))
