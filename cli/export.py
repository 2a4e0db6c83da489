"""`recon export`: a run as files for other programs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.device import choose_device
from recon.cli.exported import remember
from recon.cli.opening import TrainedRun, has_all_photos, open_run, scene_to_look_at
from recon.cli.selecting import with_selections
from recon.cli.size import bytes_of
from recon.cli.surfacing import scene_to_mesh
from recon.export.table import KindName, kind_of
from recon.export.targets import check_targets
from recon.export.work import Work
from recon.io.frames import FrameName
from recon.io.keyframes import read_keyframes
from recon.mesh.config import MeshConfig

__all__ = ["Options", "run", "work_of"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """A run as files other programs open.

    In the frame the photos' poses came in. Every splat file is read back, rendered from the held-out cameras and
    compared with the model before it gets its name: what was lost is printed, and kept in the run.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote. The photos are not needed."""
    to: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE...")]
    """Files to write; the ending says what. Splats: .ply (everything, 250 MB for a million), .compressed.ply, .spz (a
    tenth), .sog (a twentieth), .splat, .glb. A page that shows them in any browser, to send to somebody: .html. A film
    around the scene: .mp4; path.mp4 goes where the photos were taken. With mesh in the name: .glb, .obj, .ply. With
    cloud: .ply, .pcd. Depth maps: depth.npz or the folder depth. COLMAP with pictures: the folder colmap."""
    kind: Annotated[KindName | None, tyro.conf.arg(name="as")] = None
    """What the files shall be, where their endings leave a choice. Without it, a word in the name says so."""
    frame: FrameName | None = None
    """How the axes shall lie, with gravity along one of them. Without it, those of the input. SPZ and glTF prescribe
    opengl, and get it."""
    max_size: Annotated[str | None, tyro.conf.arg(metavar="SIZE")] = None
    """Most bytes of each splat file, such as 8MB: what contributes least to the photos' views is left out. Pages stay
    below 25MB unless this allows more."""
    select: Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME...")] = ()
    """Only what was saved under these names in the viewer; not:NAME leaves that out instead. See recon features."""
    keyframes: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Views saved in the viewer: the .mp4 passes through them. Without it, it goes around, or along where the photos
    were taken if path is in its name."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders and compares photos: auto takes an NVIDIA GPU where there is one that works."""
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """How meshes are made."""


def run(options: Options, console: Console) -> dict[str, Any]:
    kinds = [kind_of(path, options.kind) for path in options.to]
    check_targets(options.to)
    max_bytes = None if options.max_size is None else bytes_of(options.max_size)
    keyframes = () if options.keyframes is None else read_keyframes(options.keyframes)
    opened = open_run(options.folder, choose_device(options.device).name)
    work = with_selections(opened, work_of(opened, frame=options.frame, max_bytes=max_bytes), options.select)
    work = replace(work, mesh=options.mesh, keyframes=keyframes)
    quick_first = sorted(zip(options.to, kinds, strict=True), key=lambda target: target[1].name == "mesh")
    asks_photos = len(options.select) == 0
    files: dict[Path, dict[str, Any]] = {}
    for path, kind in quick_first:
        if kind.name == "mesh" and asks_photos:
            work, asks_photos = replace(work, scene=scene_to_mesh(opened, options.mesh, console)), False
        with console.stage("export") as stage:
            written = kind.write(work, path, stage.progress)
            stage.result = f"{path}: {written.says}"
        files[path] = remember(opened.run, path, kind.name, written, console)
    return {"run": str(options.folder), "files": [files[path] for path in options.to]}


def work_of(opened: TrainedRun, *, frame: FrameName | None = None, max_bytes: int | None = None) -> Work:
    """What exports of a run start from; its photos where they still lie."""
    return Work(
        model=opened.model,
        scene=scene_to_look_at(opened),
        background=opened.background,
        has_photos=has_all_photos(opened),
        frame=frame,
        max_bytes=max_bytes,
        name=opened.run.folder.resolve().name,
    )
