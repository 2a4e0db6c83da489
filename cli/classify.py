"""`recon classify`: what point clouds are, or what stands in a scene."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.device import choose_device
from recon.errors import InputError, ReconError

if TYPE_CHECKING:
    import numpy as np

    from recon.io.point_files import Cloud
    from recon.priors.clouds.choosing import CloudClassifier
    from recon.priors.clouds.found import FoundObject

__all__ = ["Options", "run"]

_UPS = {"x": (1, 0, 0), "y": (0, 1, 0), "z": (0, 0, 1), "-x": (-1, 0, 0), "-y": (0, -1, 0), "-z": (0, 0, -1)}
_EXPORTS = "objects"
_MOST_VIEWS = 32
"""Of a run's photos: enough to see every thing from several sides."""
_VIEW_SIZE = 400
"""Pixels of the longest side of those views: a thing of a tenth of the picture is 40 points across."""


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """What point clouds are, or what stands in a scene.

    Each file is taken for one thing: bathtub, bed, chair, desk, dresser, monitor, night stand, sofa, table or toilet,
    or unknown. In a run, and in a scan with --objects, floors, walls and table tops are taken away first and every
    thing that is left is named and boxed: objects.json, and objects.ply with a colour for each. recon view shows them.
    """

    paths: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="PATH...")]
    """Clouds and meshes (.ply .pcd .xyz .npy .npz .off .glb .obj .stl), or one folder that recon train wrote."""
    classifier: Annotated[str, tyro.conf.arg(metavar="NAME")] = "pointnet2"
    """pointnet, pointnet2, or a .safetensors file from recon pointnet train."""
    objects: bool = False
    """A file is a scan of many things, not one thing."""
    up: Literal["auto", "x", "y", "z", "-x", "-y", "-z"] = "auto"
    """What is up in the files: y in .glb and z elsewhere when nothing is said. Runs know it."""
    threshold: float | None = None
    """Confidence below which a thing is unknown, 0 to 1. Without it: the one chosen when the network was trained."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for objects.json and objects.ply. Without it: objects/ in the run, or beside the scan."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What computes."""


def run(options: Options, console: Console) -> dict[str, Any]:
    from dataclasses import replace

    from recon.priors.clouds.choosing import network_classifier

    if len(options.paths) == 0:
        raise InputError("No file was given.", advice="Pass clouds, meshes or a run: recon classify cloud.ply.")
    if options.threshold is not None and not 0 <= options.threshold <= 1:
        raise InputError("--threshold is a probability.", advice="Give 0 to 1.")
    runs = [path for path in options.paths if (path / "config.toml").is_file()]
    if len(runs) > 0 and len(options.paths) > 1:
        raise InputError("A run is classified by itself.", advice=f"Pass {runs[0]} alone.")
    if len(options.paths) == 1 and not options.paths[0].exists():
        raise InputError(f"{options.paths[0]} does not exist.", advice="Check the path.")
    device = choose_device(options.device).name
    classifier = network_classifier(options.classifier, device=device, note=console.warn)
    if options.threshold is not None:
        classifier = replace(classifier, threshold=options.threshold)
    if len(runs) > 0:
        return _in_a_run(runs[0], classifier, options, console)
    if options.objects:
        return {"scans": [_in_a_scan(path, classifier, options, console) for path in options.paths]}
    return _one_by_one(classifier, options, console)


def _one_by_one(classifier: CloudClassifier, options: Options, console: Console) -> dict[str, Any]:
    import numpy as np

    from recon.io.point_files import read_clouds

    answers, left_out = [], []
    with console.stage("classify") as stage:
        for done, path in enumerate(options.paths):
            stage.progress(done / len(options.paths), path.name)
            try:
                clouds = read_clouds(path)
                up = np.array(_up(options, clouds))
                found = classifier.classify([cloud.xyz for cloud in clouds], up=up)
            except ReconError as error:
                if len(options.paths) == 1:
                    raise InputError(_about(path, error.message), advice=error.advice) from error
                left_out.append({"file": str(path), "reason": _about(path, error.message)})
                console.warn(f"{_about(path, error.message)} Left out.")
                continue
            for index, (cloud, answer) in enumerate(zip(clouds, found, strict=True)):
                _warn_of_not_finite(path, cloud, console)
                row = {"index": index} if len(clouds) > 1 else {}
                said = {"label": answer.label, "confidence": answer.confidence, "scores": answer.scores}
                answers.append({"file": str(path), **row, "points": len(cloud.xyz), **said})
        stage.result = f"{len(answers)} clouds"
    if len(answers) == 0:
        raise InputError(f"None of the {len(options.paths)} files could be classified.", advice="See the notes above.")
    if not options.json:
        for answer in answers:
            name = f"{answer['file']}{'[' + str(answer['index']) + ']' if 'index' in answer else ''}"
            print(f"{name}  {_said(answer)}")
    return {"clouds": answers, "left_out": left_out}


def _in_a_scan(path: Path, classifier: CloudClassifier, options: Options, console: Console) -> dict[str, Any]:
    import numpy as np

    from recon.io.point_files import read_clouds

    clouds = read_clouds(path)
    if len(clouds) > 1:
        raise InputError(f"{path} holds {len(clouds)} clouds.", advice="Leave --objects away, or pass one scan.")
    _warn_of_not_finite(path, clouds[0], console)
    folder = options.output if options.output is not None else path.parent / f"{path.stem}_{_EXPORTS}"
    up = np.array(_up(options, clouds))
    return {"scan": str(path), **_named(clouds[0].xyz, up, folder, classifier, options, console)}


def _in_a_run(folder: Path, classifier: CloudClassifier, options: Options, console: Console) -> dict[str, Any]:
    from dataclasses import replace

    import numpy as np

    from recon.cli.opening import open_run
    from recon.mesh.fusion import choose_voxel, fuse
    from recon.mesh.making import seen_surface
    from recon.priors.clouds.subject import around_the_subject

    opened = open_run(folder, choose_device(options.device).name)
    train = opened.scene.train
    few = train[:: max(1, math.ceil(len(train) / _MOST_VIEWS))]
    scene = replace(opened.scene, train=few, cameras=opened.scene.cameras.resized(_VIEW_SIZE))
    with console.stage("surface") as stage:
        views = seen_surface(opened.model, scene, progress=lambda done, what: stage.progress(0.7 * done, what))
        field = fuse(
            views, voxel=choose_voxel(views), progress=lambda done, what: stage.progress(0.7 + 0.3 * done, what)
        )
        xyz = field.points()[0]
        xyz = xyz[around_the_subject(xyz, opened.scene.cameras.cam_from_world.double().numpy())]
        stage.result = f"{len(xyz)} points"
    input_from_world = opened.scene.input_from_world.double().numpy()
    xyz = xyz @ input_from_world[:3, :3].T + input_from_world[:3, 3]
    up = opened.scene.up.double().numpy()
    output = options.output if options.output is not None else folder / _EXPORTS
    return {"run": str(folder), **_named(xyz, up / np.linalg.norm(up), output, classifier, options, console)}


def _named(
    xyz: np.ndarray, up: np.ndarray, folder: Path, classifier: CloudClassifier, options: Options, console: Console
) -> dict[str, Any]:
    from recon.priors.clouds.found import name_objects, write_found

    with console.stage("objects") as stage:
        objects, found = name_objects(xyz, classifier, up=up)
        said, cloud = write_found(folder, xyz, objects, found)
        stage.result = f"{len(found)} objects"
    if not options.json:
        for number, thing in enumerate(found):
            print(f"object {number}  {_said(thing.described())}, {_size(thing)}, {thing.points} points")
        print(f"Wrote {said} and {cloud}.")
    return {"objects": [thing.described() for thing in found], "json": str(said), "cloud": str(cloud)}


def _warn_of_not_finite(path: Path, cloud: Cloud, console: Console) -> None:
    if cloud.not_finite > 0:
        total = len(cloud.xyz) + cloud.not_finite
        console.warn(f"{path}: {cloud.not_finite} of {total} points not finite, left out.")


def _up(options: Options, clouds: list[Cloud]) -> tuple[float, ...]:
    if options.up != "auto":
        return tuple(map(float, _UPS[options.up]))
    return (0.0, 1.0, 0.0) if any(cloud.y_up for cloud in clouds) else (0.0, 0.0, 1.0)


def _said(answer: dict[str, Any]) -> str:
    best = max(answer["scores"], key=answer["scores"].get)
    guess = f" (perhaps {best})" if answer["label"] != best else ""
    return f"{answer['label']}{guess} {100 * answer['confidence']:.0f} %"


def _size(thing: FoundObject) -> str:
    return " x ".join(f"{side:.3g}" for side in thing.box.size)


def _about(path: Path, message: str) -> str:
    return message if str(path) in message else f"{path}: {message}"
