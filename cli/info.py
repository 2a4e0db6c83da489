"""`recon info`: what something is that lies on the disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.errors import InputError

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """What a run, splat file, COLMAP model, transforms.json or photo folder is, and what it holds."""

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")]
    """File or folder."""


def run(options: Options, console: Console) -> dict[str, Any]:
    found = _describe(options.path)
    if not options.json:
        rows = [(_LABELS.get(name, name.replace("_", " ")), _shown(value)) for name, value in found.items()]
        width = max(len(label) for label, _ in rows)
        for label, value in rows:
            print(f"{label:<{width}}  {value}")
    return found


_ADVICE = "Pass a run, a splat file, a COLMAP model, a transforms.json or a folder of photos."
_LABELS = {
    "frame": "axes",
    "sh_degree": "SH degree",
    "with_focal": "photos that know their focal length",
    "with_mask": "photos with a mask",
    "ordered": "in the order of a walk or a video",
}


def _shown(value: Any) -> str:
    if isinstance(value, list) and any(" " in str(item) for item in value):
        return "".join(f"\n  {item}" for item in value)
    if isinstance(value, list):
        return ", ".join(str(item) for item in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "not said" if value in (None, "") else str(value)


def _describe(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{path} does not exist.", advice="Check the path.")
    from recon.io.colmap import is_colmap
    from recon.io.posed import find_posed
    from recon.io.splats.formats import is_splat_file

    if is_splat_file(path) and not path.is_dir():
        return _splats(path)
    if (path / "config.toml").is_file():
        return _run(path)
    if path.is_file() and path.suffix.lower() == ".json":
        from recon.io.transforms import read_transforms

        return _posed("transforms", path, read_transforms(path))
    if path.is_file():
        raise InputError(f"{path} is nothing that recon knows.", advice=_ADVICE)
    if is_colmap(path):
        return _model(path)
    posed = find_posed(path)
    return _posed(posed.kind, posed.path, posed.read()) if posed is not None else _photos(path)


def _run(path: Path) -> dict[str, Any]:
    from recon.io.run import Run

    run = Run.open(path)
    config = {name: table for name, table in run.read_config().items() if isinstance(table, dict)}
    records = run.read_metrics()
    found = {
        "kind": "run",
        "path": str(path),
        "images": config.get("options", {}).get("images"),
        "photos": config.get("inputs", {}).get("photos"),
        "image_size": config.get("scene", {}).get("image_size"),
        "seed": config.get("options", {}).get("seed"),
        "version": config.get("recon", {}).get("version"),
        "trained": run.has_checkpoint,
        "exports": sorted(file.name for file in run.exports.glob("*")),
    }
    if records:
        found |= {name: value for name, value in records[-1].items() if name not in ("losses", "memory")}
    return found


def _splats(path: Path) -> dict[str, Any]:
    from recon.io.splats.formats import format_of, read_splats

    other = _no_splats(path)
    if other is not None:
        return other
    known, asset = format_of(path), read_splats(path)
    found = {
        "kind": "splats",
        "path": str(path),
        "format": known.name,
        "gaussians": len(asset),
        "sh_degree": asset.gaussians.sh_degree,
        "antialiased": asset.gaussians.antialiased,
        "frame": asset.frame,
        "up": None if asset.up is None else " ".join(f"{value:.9g}" for value in asset.up),
        "bytes": path.stat().st_size,
        "notes": list(asset.notes),
    }
    if len(asset) > 0:
        means = asset.gaussians.means
        found["lowest"] = [round(float(value), 4) for value in means.amin(dim=0)]
        found["highest"] = [round(float(value), 4) for value in means.amax(dim=0)]
    return found


def _no_splats(path: Path) -> dict[str, Any] | None:
    """What a file is that could hold splats by its ending and holds a mesh or points."""
    from recon.io.ply_header import read_header
    from recon.io.splats.gltf import holds_splats

    if path.suffix.lower() == ".glb":
        return None if holds_splats(path) else _mesh(path)
    if path.suffix.lower() != ".ply":
        return None
    header = read_header(path)
    if header.elements[0].name == "chunk" or "f_dc_0" in header.names:
        return None
    kind = "mesh" if header.faces > 0 else "point cloud"
    return {"kind": kind, "path": str(path), "points": header.count, "faces": header.faces}


def _mesh(path: Path) -> dict[str, Any]:
    from recon.mesh.files import read_shape

    shape = read_shape(path)
    counts = {"points": len(shape.vertices), "faces": len(shape.faces)}
    return {"kind": "mesh", "path": str(path), **counts, "bytes": path.stat().st_size}


def _posed(kind: str, path: Path, reconstruction: Any) -> dict[str, Any]:
    sizes = sorted({f"{view.lens.width}x{view.lens.height}" for view in reconstruction.views})
    return {
        "kind": kind,
        "path": str(path),
        "views": len(reconstruction.views),
        "points": len(reconstruction.points),
        "lenses": sorted({view.lens.model for view in reconstruction.views}),
        "sizes": sizes,
        "test_views": sum(view.split == "test" for view in reconstruction.views),
        "left_out": [f"{item.name}: {item.reason}" for item in reconstruction.left_out],
    }


def _model(path: Path) -> dict[str, Any]:
    """A COLMAP model alone: its photos may lie anywhere."""
    from recon.io.colmap_binary import read_binary
    from recon.io.colmap_text import read_text

    model = read_binary(path) if (path / "cameras.bin").is_file() else read_text(path)
    lengths = model.points.track_length
    return {
        "kind": "colmap",
        "path": str(path),
        "views": len(model.images),
        "points": len(model.points.xyz),
        "lenses": sorted({lens.model for lens in model.cameras.values()}),
        "sizes": sorted({f"{lens.width}x{lens.height}" for lens in model.cameras.values()}),
        "mean_track_length": round(float(lengths.mean()), 2) if lengths.any() else None,
    }


def _photos(path: Path) -> dict[str, Any]:
    from recon.io.photos import read_capture

    capture = read_capture(path)
    return {
        "kind": "photos",
        "path": str(path),
        "photos": len(capture.photos),
        "sizes": sorted({f"{photo.width}x{photo.height}" for photo in capture.photos}),
        "with_focal": sum(photo.focal is not None for photo in capture.photos),
        "with_mask": sum(photo.mask is not None for photo in capture.photos),
        "ordered": capture.ordered,
        "left_out": [f"{item.name}: {item.reason}" for item in capture.left_out],
    }
