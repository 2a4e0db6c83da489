"""`recon features`: what photos show, as numbers; photos that look alike, and a feature for each Gaussian."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch
import tyro
from jaxtyping import UInt8
from torch import Tensor

from recon.cli.command import Talk
from recon.cli.console import Console, Stage
from recon.errors import InputError

if TYPE_CHECKING:
    from recon.priors.features.extractor import FeatureExtractor, PhotoFeatures
    from recon.priors.features.kept import KeptFeatures
    from recon.types import ImageStore

__all__ = ["Options", "run"]

_LONGEST = 1024
"""Pixels along the longest side at which photos are read."""


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """What photos show, as numbers.

    Of a folder of photos: which look alike (pairs.txt), and pictures in which like things have like colours. Of a run,
    besides, a feature for each Gaussian: recon view shows them, and selects what looks alike at a click.
    """

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR|RUN")]
    """Photos, or a folder that recon train wrote."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for what is found. Of a run: its own folder features, without this."""
    extractor: Annotated[str, tyro.conf.arg(metavar="NAME")] = "classical"
    """classical knows texture and colour, and needs nothing. Networks know things: dinov2-small, or siglip2-base, which
    reads words, too, or any ViT, DINOv2 or v3, ResNet, ConvNeXt, CLIP or SigLIP by OWNER/NAME on the hub or a folder;
    recon weights get NAME downloads them."""
    neighbours: int = 8
    """Most alike photos listed for each photo."""
    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where the photos of a run are now, if they were moved."""


def run(options: Options, console: Console) -> dict[str, Any]:
    from recon.priors.features.choice import open_extractor
    from recon.priors.features.kept import check_folder

    if options.neighbours < 1:
        raise InputError(f"--neighbours is {options.neighbours}.", advice="Give at least 1.")
    if options.output is not None:
        check_folder(options.output)
    extractor = open_extractor(options.extractor)
    if (options.folder / "config.toml").is_file():
        return _of_run(options, extractor, console)
    return _of_photos(options, extractor, console)


def _of_photos(options: Options, extractor: FeatureExtractor, console: Console) -> dict[str, Any]:
    from recon.cli.posing import find_photos
    from recon.priors.features.extractor import ReadsWords
    from recon.priors.features.kept import KeptFeatures

    if options.output is None:
        raise InputError("Features of photos need a place to go.", advice="Say where: --output DIR.")
    capture = find_photos(options.folder, None, console)
    names = tuple(photo.name for photo in capture.photos)
    photos = _Photos([photo.path for photo in capture.photos])
    with console.stage("features") as stage:
        found = list(_extract(extractor, photos, stage))
        stage.result = _size_of(found)
    wholes = torch.stack([one.whole for one in found]).float()
    return _write(
        options,
        options.output,
        KeptFeatures(extractor.name, names, wholes, words=isinstance(extractor, ReadsWords)),
        found,
        console,
    )


def _of_run(options: Options, extractor: FeatureExtractor, console: Console) -> dict[str, Any]:
    from recon.cli.opening import open_run, posed_again, scene_with_photos
    from recon.priors.features.extractor import ReadsWords
    from recon.priors.features.kept import KeptFeatures
    from recon.priors.features.lifting import lift_features
    from recon.types import HasGaussians

    opened = open_run(options.folder)
    if not isinstance(opened.model, HasGaussians):
        raise InputError(
            f"{options.folder} holds no Gaussians to give features to: its model is of another kind.",
            advice="Pass the folder of photos for features of the photos alone.",
        )
    scene = scene_with_photos(opened.run, opened.config, posed_again(opened.run, options.images))
    gaussians = opened.model.gaussians()
    with console.stage("features") as stage:
        found = list(_extract(extractor, _ScenePhotos(scene.images), stage))
        stage.result = _size_of(found)
    with console.stage("lifting") as stage:
        lifted = lift_features(gaussians, scene.cameras, (one.cells for one in found), scene.images)
        stage.result = f"{int(lifted.seen.sum())} of {len(gaussians)} Gaussians are in the photos"
    wholes = torch.stack([one.whole for one in found]).float()
    kept = KeptFeatures(
        extractor=extractor.name,
        photos=scene.names,
        wholes=wholes,
        gaussians=lifted.features,
        words=isinstance(extractor, ReadsWords),
        means=gaussians.means.detach().cpu(),
    )
    return _write(options, options.output or opened.run.features, kept, found, console)


def _extract(extractor: FeatureExtractor, photos: Sequence[Tensor], stage: Stage) -> Iterator[PhotoFeatures]:
    from recon.priors.features.extractor import PhotoFeatures

    for one in extractor.extract(photos, stage.progress):
        yield PhotoFeatures(one.cells.half(), one.whole)


def _write(
    options: Options, folder: Path, kept: KeptFeatures, found: list[PhotoFeatures], console: Console
) -> dict[str, Any]:
    from recon.cli.feature_files import write_pairs, write_pictures
    from recon.priors.features.kept import write_features

    folder.mkdir(parents=True, exist_ok=True)
    write_features(kept, folder)
    pairs = write_pairs(kept, options.neighbours, folder / "pairs.txt")
    write_pictures([one.cells for one in found], kept.photos, folder / "pictures")
    console.say(
        f"Features: {folder}  pairs.txt lists {pairs} pairs that look alike; pictures/ shows likes in like colours"
    )
    gaussians = None if kept.gaussians is None else len(kept.gaussians)
    return {
        "output": str(folder),
        "extractor": kept.extractor,
        "photos": len(kept.photos),
        "channels": int(found[0].cells.shape[2]),
        "pairs": pairs,
        "gaussians": gaussians,
    }


def _size_of(found: list[PhotoFeatures]) -> str:
    rows, columns, channels = found[0].cells.shape
    return f"{len(found)} photos, {channels} numbers for each of {columns}x{rows} cells"


class _Photos(Sequence[Tensor]):
    """Photos from their files, whenever they are asked for."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> UInt8[Tensor, "h w 3"]:  # type: ignore[override]
        from recon.io.decode import open_reduced

        image, _ = open_reduced(self._paths[index], _LONGEST)
        return torch.from_numpy(np.array(image.convert("RGB")))


class _ScenePhotos(Sequence[Tensor]):
    """The pictures of a scene, undistorted."""

    def __init__(self, images: ImageStore) -> None:
        self._images = images

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> UInt8[Tensor, "h w 3"]:  # type: ignore[override]
        return self._images[index].rgb
