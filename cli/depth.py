"""`recon depth`: a depth map for every photo, and how right they are."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.depth_alone import SEES_ONE_PHOTO, depth_alone
from recon.cli.depth_files import write_depth
from recon.cli.device import choose_device
from recon.cli.duration import Deadline
from recon.cli.kept import read_kept
from recon.cli.opening import posed_again, scene_with_photos
from recon.cli.posing import find_photos, posed_photos
from recon.errors import InputError
from recon.io.depth_file import find_depth, read_depth
from recon.io.disk import whole
from recon.io.rgbd import is_recording
from recon.io.run import Run
from recon.io.scene import load_scene
from recon.priors.depth import DepthName, depth_prior, require_source
from recon.priors.depth.known import known_depths
from recon.priors.scores import DepthScores, score_at_points, score_depth
from recon.sfm.config import PosesConfig
from recon.sparse import sparse_depth
from recon.types import DepthMap, Reconstruction, Scene

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """How far away what photos show is: a map for each, and how right they are.

    `stereo` compares posed photos, and needs nothing else; `monocular` is recon's own small network; `pretrained` is
    one that others trained; `sensor` reads maps that lie in a folder, or those of an RGB-D camera. Where no poses are
    found, `monocular` and `pretrained` see each photo alone: inverse depth without a scale, larger is nearer. Each
    photo has a 16-bit PNG and an .npz with depth along the camera's z axis (0 where unknown) in units of the cameras'
    frame, and its confidence; depth.json lists them, the unit of the PNGs, and AbsRel and delta-1 against the sparse
    points or --truth.
    """

    images: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR|RUN")]
    """Folder of the photos, or one that recon train wrote. Poses that lie with the photos are used."""
    output: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Folder for the maps."""
    method: DepthName | None = None
    """What tells the depth. Without it: an RGB-D camera's own maps (TUM, ScanNet, Record3D), else stereo."""
    depth_from: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """What the method reads: a sensor's maps (named like the photos), or a network's weights."""
    truth: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of true maps, named like the photos, in units of the cameras' frame: what the scores compare with."""
    image_size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS")] = None
    """Longest side of the maps. Without it: what fits; of a run, that of its training."""
    colmap: Annotated[Path | None, tyro.conf.arg(metavar="MODEL")] = None
    """Folder of a COLMAP model of these photos, to use its poses."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of masks named like the photos plus .png; what is black in them has no depth."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What stereo computes on: auto takes an NVIDIA GPU where there is one that works."""
    poses: PosesConfig = field(default_factory=PosesConfig)
    """How cameras are found."""


def run(options: Options, console: Console) -> dict[str, Any]:
    if options.output.exists() and not options.output.is_dir():
        raise InputError(f"{options.output} is a file.", advice="Pass a folder as --output.")
    if options.output.is_dir() and any(options.output.iterdir()) and not (options.output / "depth.json").is_file():
        raise InputError(f"{options.output} holds other files.", advice="Pass an --output that is new or empty.")
    if options.truth is not None and not options.truth.is_dir():
        raise InputError(
            f"{options.truth} is no folder of depth maps.", advice="Pass one with --truth, or leave it out."
        )
    if options.method is not None:
        require_source(options.method, options.depth_from)
    try:
        reconstruction, scene = _posed(options, console)
    except InputError as error:
        return _unposed(options, error, console)
    recorded = _recorded(options.images)
    method = options.method or ("stereo" if recorded is None else "sensor")
    source = recorded if method == "sensor" and options.depth_from is None else options.depth_from
    if method != "stereo" and len(reconstruction.points) == 0:
        raise InputError(
            "There are no sparse points to scale depth by.", advice="Use --method stereo, or poses with points."
        )
    device = choose_device(options.device).name
    prior = depth_prior(method, reconstruction, source=source, device=device)
    photos: list[dict[str, Any]] = []
    scores: list[DepthScores] = []
    left_out: dict[str, str] = {}
    scale = float(scene.input_from_world[0, 0])
    with console.stage("depth") as stage, whole(options.output) as unfinished:
        unfinished.mkdir()
        views = range(len(scene))
        for view, depth in zip(views, known_depths(prior, scene, views, stage.progress), strict=True):
            name = scene.names[view]
            if isinstance(depth, InputError):
                left_out[name] = depth.message
                continue
            files = write_depth(unfinished, name, depth, scale=scale)
            score = _score(depth, scene, view, options.truth, scale)
            scores += [score] if score is not None else []
            known = float(depth.known.float().mean())
            photos.append({"name": name, **files, "known": known, **({} if score is None else asdict(score))})
        summary = {
            "method": method,
            "reference": "sparse points" if options.truth is None else "truth",
            "known": _mean([photo["known"] for photo in photos]),
            "abs_rel": _mean([score.abs_rel for score in scores]),
            "delta_1": _mean([score.delta_1 for score in scores]),
            "median_rel": _mean([score.median_rel for score in scores]),
            "covered": _mean([score.covered for score in scores]),
            "left_out": left_out,
        }
        (unfinished / "depth.json").write_text(json.dumps(summary | {"photos": photos}, indent=1))
        stage.result = f"{len(photos)} maps in {options.output}"
    for message in left_out.values():
        console.warn(message)
    if not options.json:
        _print_summary(summary, len(scores))
    return {"output": str(options.output), "maps": len(photos), **summary}


def _posed(options: Options, console: Console) -> tuple[Reconstruction, Scene]:
    if (options.images / "config.toml").is_file():
        run = Run.open(options.images)
        with console.stage("scene"):
            reconstruction = posed_again(run, None, options.masks)
            return reconstruction, scene_with_photos(run, read_kept(run), reconstruction)
    with tempfile.TemporaryDirectory() as workspace:
        posed = posed_photos(options, Path(workspace), Deadline(console.started, None), console)
    with console.stage("scene"):
        return posed.reconstruction, load_scene(posed.reconstruction, image_size=options.image_size, hold_out=0)


def _recorded(folder: Path) -> Path | None:
    """The recording that the photos are of, with depth of its own."""
    photos = read_kept(Run.open(folder)).options.images if (folder / "config.toml").is_file() else folder
    return photos if photos is not None and is_recording(photos) else None


def _unposed(options: Options, error: InputError, console: Console) -> dict[str, Any]:
    """What photos alone tell, where their poses could not be found; `error` where that is not enough."""
    if not options.images.is_dir() or (options.images / "config.toml").is_file() or options.colmap is not None:
        raise error
    capture = find_photos(options.images, options.masks, Console(quiet=True))
    if options.method not in SEES_ONE_PHOTO:
        raise InputError(error.message, advice=f"{error.advice} --method monocular sees each photo alone.") from error
    console.warn(f"{error.message} So each photo is seen alone, and relative depth has no unit: larger is nearer.")
    return depth_alone(options, options.method, capture, console)


def _score(depth: DepthMap, scene: Scene, view: int, truth: Path | None, scale: float) -> DepthScores | None:
    """Against the photo's true map, or its sparse points without a folder of those; None where nothing compares."""
    if truth is None:
        return score_at_points(depth, sparse_depth(scene.points, scene.cameras[view]))
    path = find_depth(truth, scene.names[view])
    if path is None:
        return None
    import torch

    real = torch.from_numpy(read_depth(path)) / scale
    if real.shape != depth.inverse.shape:
        raise InputError(
            f"{path} has {real.shape[1]} x {real.shape[0]} pixels, its photo's map "
            f"{depth.inverse.shape[1]} x {depth.inverse.shape[0]}.",
            advice="Give the truth at the size of the maps, or choose that with --image-size.",
        )
    return score_depth(depth, real)


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _print_summary(summary: dict[str, Any], scored: int) -> None:
    print(f"{'known':<11}{summary['known'] or 0:.1%} of all pixels")
    if scored > 0:
        print(f"{'AbsRel':<11}{summary['abs_rel']:.4f} against {summary['reference']}, {scored} photos")
        print(f"{'median':<11}{summary['median_rel']:.4f}")
        print(f"{'delta-1':<11}{summary['delta_1']:.4f}")
        print(f"{'covered':<11}{summary['covered']:.1%} of {summary['reference']}")
