"""Splats as glTF's extension KHR_gaussian_splatting in a `.glb`. Source: the extension's specification.

A mesh primitive of points whose attributes are positions, quaternions (xyzw), sizes and opacities after the
activations, and harmonics coefficient by coefficient. Axes are glTF's: y up, as OpenGL's. COLOR_0 lets programs that
do not know the extension show coloured points. Whether the model was trained antialiased stands in `extras`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon import __version__
from recon.errors import InputError
from recon.geometry import rotation_from_quaternion
from recon.io.disk import whole
from recon.io.splats.arrays import columns_of, gaussians_from
from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import SH_CONSTANT, bytes_of_opacities, logits_of_opacities, rounded, sigmoid
from recon.io.splats.coding import unit_quaternions as unit
from recon.io.splats.damage import damaged, read_file
from recon.io.splats.glb import Glb, pack_glb, unpack_glb
from recon.io.splats.turning import placed

__all__ = ["holds_splats", "read_gltf", "write_gltf"]

_EXTENSION = "KHR_gaussian_splatting"
_POINTS, _FLOAT, _BYTE, _ARRAY_BUFFER = 0, 5126, 5121, 34962
_DEEPEST = 64


def holds_splats(path: Path) -> bool:
    """Whether the file uses the extension; other `.glb` files are meshes."""
    return _primitive(unpack_glb(path, read_file(path))) is not None


def read_gltf(path: Path) -> SplatAsset:
    """The first primitive of splats, where the file's first node that shows it puts it."""
    glb = unpack_glb(path, read_file(path))
    found = _primitive(glb)
    if found is None:
        raise InputError(
            f"{path} holds a mesh, not splats: it does not use {_EXTENSION}.",
            advice="Open it in Blender or any program for meshes. Splats come from: recon export RUN --to scene.glb.",
        )
    mesh, primitive = found
    attributes = primitive.get("attributes")
    if not isinstance(attributes, dict):
        raise damaged(path, "its splats have no attributes")

    def column(name: str, width: int) -> Float[np.ndarray, "g width"]:
        return glb.numbers(attributes.get(name), width)

    degrees = [d for d in (1, 2, 3) if f"{_EXTENSION}:SH_DEGREE_{d}_COEF_0" in attributes]
    names = [(d, n) for d in range(max(degrees, default=0) + 1) for n in range(2 * d + 1)]
    columns = {"means": column("POSITION", 3), "quats": column(f"{_EXTENSION}:ROTATION", 4)[:, [3, 0, 1, 2]]}
    sizes, opacities = column(f"{_EXTENSION}:SCALE", 3), column(f"{_EXTENSION}:OPACITY", 1)[:, 0]
    harmonics = [column(f"{_EXTENSION}:SH_DEGREE_{d}_COEF_{n}", 3) for d, n in names]
    if len({len(array) for array in (*columns.values(), sizes, opacities, *harmonics)}) > 1:
        raise damaged(path, "its attributes differ in length")
    with np.errstate(divide="ignore", invalid="ignore"):
        gaussians = gaussians_from(
            **columns,
            log_scales=np.log(sizes),
            opacity_logits=logits_of_opacities(opacities),
            sh=np.stack(harmonics, axis=1),
            antialiased=_said(glb).get("antialiased") is True,
        )
    return SplatAsset(placed(gaussians, _placement(glb, mesh)), "opengl", (0.0, 1.0, 0.0))


def write_gltf(asset: SplatAsset, path: Path) -> None:
    """Float32 throughout, so that nothing is lost but the last digits in the activations."""
    gaussians = asset.in_frame("opengl").gaussians
    means, quats, log_scales, logits, sh = columns_of(gaussians)
    if len(means) == 0:
        raise damaged(path, "glTF has no empty list of points")
    colours = rounded(np.clip(sh[:, 0] * SH_CONSTANT + 0.5, 0, 1) * 255)
    fallback = np.concatenate([colours, bytes_of_opacities(logits)[:, None]], axis=1)
    attributes = {
        "POSITION": means,
        f"{_EXTENSION}:ROTATION": unit(quats)[:, [1, 2, 3, 0]],
        f"{_EXTENSION}:SCALE": np.exp(log_scales),
        f"{_EXTENSION}:OPACITY": sigmoid(logits)[:, None],
        "COLOR_0": fallback,
    }
    degree = int(sh.shape[1] ** 0.5) - 1
    for d in range(degree + 1):
        attributes |= {f"{_EXTENSION}:SH_DEGREE_{d}_COEF_{n}": sh[:, d * d + n] for n in range(2 * d + 1)}
    views, accessors, parts, start = [], [], [], 0
    for name, values in attributes.items():
        data = np.ascontiguousarray(values, dtype=None if values.dtype == np.uint8 else "<f4").tobytes()
        views.append({"buffer": 0, "byteOffset": start, "byteLength": len(data), "target": _ARRAY_BUFFER})
        accessors.append(_accessor(len(accessors), name, values))
        parts.append(data)
        start += len(data)
    primitive = {
        "attributes": {name: index for index, name in enumerate(attributes)},
        "mode": _POINTS,
        "extensions": {_EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}},
    }
    tree = {
        "asset": {
            "version": "2.0",
            "generator": f"recon {__version__}",
            "extras": {"recon": {"antialiased": gaussians.antialiased}},
        },
        "extensionsUsed": [_EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": start}],
        "bufferViews": views,
        "accessors": accessors,
    }
    with whole(path) as unfinished:
        unfinished.write_bytes(pack_glb(tree, b"".join(parts)))


def _accessor(view: int, name: str, values: np.ndarray) -> dict[str, Any]:
    kind = _BYTE if values.dtype == np.uint8 else _FLOAT
    shape = {1: "SCALAR", 3: "VEC3", 4: "VEC4"}[values.shape[1]]
    accessor: dict[str, Any] = {"bufferView": view, "componentType": kind, "count": len(values), "type": shape}
    if kind == _BYTE:
        accessor["normalized"] = True
    if name == "POSITION":
        accessor |= {"min": values.min(axis=0).tolist(), "max": values.max(axis=0).tolist()}
    return accessor


def _primitive(glb: Glb) -> tuple[int, dict[str, Any]] | None:
    """The first primitive with splats, and its mesh."""
    meshes = glb.tree.get("meshes")
    for index, mesh in enumerate(meshes if isinstance(meshes, list) else []):
        primitives = mesh.get("primitives") if isinstance(mesh, dict) else None
        for primitive in primitives if isinstance(primitives, list) else []:
            extensions = primitive.get("extensions") if isinstance(primitive, dict) else None
            if isinstance(extensions, dict) and _EXTENSION in extensions:
                return index, primitive
    return None


def _said(glb: Glb) -> dict[str, Any]:
    """What recon wrote in the extras."""
    here: Any = glb.tree
    for key in ("asset", "extras", "recon"):
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else {}


def _placement(glb: Glb, mesh: int) -> Float[np.ndarray, "4 4"]:
    """The world from the mesh, along the parents of the first node that has it."""
    nodes = glb.tree.get("nodes")
    nodes = [node if isinstance(node, dict) else {} for node in nodes] if isinstance(nodes, list) else []
    parents = {
        child: index
        for index, node in enumerate(nodes)
        for child in (node["children"] if isinstance(node.get("children"), list) else [])
        if type(child) is int
    }
    at = next((index for index, node in enumerate(nodes) if node.get("mesh") == mesh), None)
    matrix = np.eye(4)
    for _ in range(_DEEPEST):
        if at is None:
            break
        matrix = _local(glb, nodes[at]) @ matrix
        at = parents.get(at)
    block = matrix[:3, :3]
    scale = np.cbrt(abs(np.linalg.det(block))) if np.isfinite(matrix).all() else 0.0
    if not scale > 0 or not np.allclose(block @ block.T, scale**2 * np.eye(3), atol=1e-3 * scale**2):
        raise damaged(glb.path, "a node shears or squeezes its splats, which recon cannot")
    return matrix


def _local(glb: Glb, node: dict[str, Any]) -> Float[np.ndarray, "4 4"]:
    """A node's own matrix."""
    if "matrix" in node:
        return _numbers(glb, node["matrix"], 16).reshape(4, 4).T
    matrix = np.eye(4)
    if "rotation" in node:
        matrix[:3, :3] = rotation_from_quaternion(_numbers(glb, node["rotation"], 4)[[3, 0, 1, 2]])
    if "scale" in node:
        matrix[:3, :3] *= _numbers(glb, node["scale"], 3)
    if "translation" in node:
        matrix[:3, 3] = _numbers(glb, node["translation"], 3)
    return matrix


def _numbers(glb: Glb, values: Any, count: int) -> Float[np.ndarray, "count"]:
    sound = isinstance(values, list) and len(values) == count and all(type(v) in (int, float) for v in values)
    numbers = np.array([float(v) for v in values]) if sound and max(map(abs, values)) < 1e30 else np.zeros(count)
    if not numbers.any() and count != 3:
        raise damaged(glb.path, "a node's placement is no list of numbers")
    return numbers
