"""The kinds of files a run can become, and which kind a file is by its name.

The ending names the candidates. Where several kinds share one (.ply, .glb), a word in the rest of the name decides
(`mesh.glb`, `my-cloud.ply`), and the first in the table where none does. Adding a kind: one line in `KINDS`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from recon.errors import InputError
from recon.export.work import Progress, Work, Written

__all__ = ["KINDS", "Kind", "KindName", "kind_of"]

KindName = Literal["splats", "video", "mesh", "cloud", "depth", "cameras"]


@dataclass(frozen=True)
class Kind:
    name: KindName
    endings: tuple[str, ...]
    """Lower case; "" is a name without an ending: a folder."""
    words: tuple[str, ...]
    """In the rest of the name, they choose this kind where others share its ending."""
    write: Callable[[Work, Path, Progress], Written]


def _splats(work: Work, path: Path, progress: Progress) -> Written:
    from recon.export.splats import export_splats

    return export_splats(work, path, progress)


def _video(work: Work, path: Path, progress: Progress) -> Written:
    from recon.export.film import export_film

    return export_film(work, path, progress)


def _mesh(work: Work, path: Path, progress: Progress) -> Written:
    from recon.export.seen import write_mesh

    return write_mesh(work, path, progress)


def _cloud(work: Work, path: Path, progress: Progress) -> Written:
    from recon.export.seen import write_cloud

    return write_cloud(work, path, progress)


def _depth(work: Work, path: Path, progress: Progress) -> Written:
    from recon.export.seen import write_depths

    return write_depths(work, path, progress)


def _cameras(work: Work, path: Path, progress: Progress) -> Written:
    from recon.export.seen import write_cameras

    return write_cameras(work, path, progress)


KINDS = (
    Kind("splats", (".ply", ".spz", ".sog", ".splat", ".glb", ".html"), ("splats", "scene"), _splats),
    Kind("video", (".mp4",), ("orbit", "path"), _video),
    Kind("mesh", (".glb", ".obj", ".ply"), ("mesh", "surface"), _mesh),
    Kind("cloud", (".ply", ".pcd"), ("cloud", "points"), _cloud),
    Kind("depth", ("", ".npz"), ("depth", "depths"), _depth),
    Kind("cameras", ("",), ("colmap", "sparse", "cameras"), _cameras),
)


def kind_of(path: Path, asked: KindName | None = None) -> Kind:
    """What `path` becomes; an `InputError` that lists what there is, before any work is done."""
    assert set(get_args(KindName)) == {kind.name for kind in KINDS}
    fitting = [kind for kind in KINDS if path.suffix.lower() in kind.endings and asked in (None, kind.name)]
    if len(fitting) == 0:
        every = "; ".join(f"{kind.name}: {' '.join(e or 'a folder' for e in kind.endings)}" for kind in KINDS)
        raise InputError(
            f"recon cannot write {path.name}{'' if asked is None else f' as {asked}'}. It writes {every}.",
            advice="Give the file one of these endings.",
        )
    words = re.findall(r"[a-z]+", path.name.lower().removesuffix(path.suffix.lower()))
    named = [kind for kind in fitting if any(word in words for word in kind.words)]
    if len(named) == 0 and path.suffix == "" and asked is None:
        raise InputError(
            f"{path.name} has no ending, and as a folder its name does not say what goes into it.",
            advice="Name a folder depth or colmap, or a file like scene.ply, scene.spz, mesh.glb.",
        )
    return (named or fitting)[0]
