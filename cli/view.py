"""`recon view`: orbit a run or a splat file in the browser."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from torch import Tensor

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.device import choose_device
from recon.cli.interruption import Interruption
from recon.cli.opening import TrainedRun, open_run, scene_to_look_at
from recon.cli.splat_scene import open_splats
from recon.io.splats.formats import is_splat_file
from recon.priors.features.extractor import FeatureExtractor, ReadsWords
from recon.types import HasGaussians, Renderer, Scene

if TYPE_CHECKING:
    from recon.viewer.alike import Alike, ReadWords
    from recon.viewer.alike_panel import Save
    from recon.viewer.boxes import LabelledBox

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Orbit a run or a splat file in the browser.

    Prints the address and serves until stopped with Ctrl-C.
    """

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A folder that recon train wrote, or a splat file in any format that recon reads."""
    features: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Where recon features put what it found, if not in the run: to select what looks alike, and colour by it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What renders: auto takes an NVIDIA GPU where there is one that works."""
    port: int = 7007
    """Where the viewer answers; the next free one when it is taken."""
    host: str = "127.0.0.1"
    """Who may look: only this machine by default. 0.0.0.0 lets everybody on your network in, without a password."""


def run(options: Options, console: Console) -> None:
    model, scene, alike = _open(options, console)
    boxes = _boxes(options.path, scene)
    from recon.viewer import Viewer

    with Interruption() as interruption:
        viewer = Viewer(scene, host=options.host, port=options.port, title=options.path.stem, alike=alike)
        try:
            if viewer.moved_from is not None:
                console.say(f"Port {viewer.moved_from} is taken by another program; using {viewer.port}.")
            said = f"Open {viewer.address} in a browser; Ctrl-C stops."
            print(json.dumps({"address": viewer.address}) if options.json else said, flush=True)
            if len(boxes) > 0:
                viewer.show_boxes(boxes)
            viewer.serve_while(model, lambda: not interruption.asked)
        finally:
            viewer.close()


def _open(options: Options, console: Console) -> tuple[Renderer, Scene, tuple[Alike, Save] | None]:
    path = options.path
    if is_splat_file(path) and not path.is_dir():
        return *open_splats(path), None
    opened = open_run(path, choose_device(options.device).name)
    return opened.model, scene_to_look_at(opened), _alike(opened, options.features, console)


def _alike(opened: TrainedRun, folder: Path | None, console: Console) -> tuple[Alike, Save] | None:
    """What selects by features, where `recon features` made some of this run as it is."""
    from recon.cli.selecting import keeper_of
    from recon.priors.features.kept import read_features
    from recon.viewer.alike import Alike

    if folder is None and not opened.run.features.is_dir():
        return None
    kept = read_features(folder or opened.run.features)
    if not isinstance(opened.model, HasGaussians) or kept.gaussians is None or not kept.fit(opened.model.gaussians()):
        why = "are of photos alone" if kept.gaussians is None else "are of the run as it was before"
        console.warn(f"The features in {folder or opened.run.features} {why}: make them again with recon features.")
        return None
    read_words = _reader(kept.extractor) if kept.words else None
    return Alike(opened.model.gaussians(), kept.gaussians, read_words), keeper_of(opened)


def _reader(name: str) -> ReadWords:
    """The network that made the features, loaded when the first word comes."""

    @cache
    def extractor() -> FeatureExtractor:
        from recon.priors.features.choice import open_extractor

        return open_extractor(name)

    def read(words: list[str]) -> Tensor:
        opened = extractor()
        assert isinstance(opened, ReadsWords)
        return opened.words(words)

    return read


def _boxes(path: Path, scene: Scene) -> list[LabelledBox]:
    """What `recon classify` found in the run, in the world frame."""
    from recon.io.annotated import colour_of
    from recon.priors.clouds.found import FILE, read_found
    from recon.viewer.boxes import LabelledBox

    said = path / "objects" / FILE
    if not said.is_file():
        return []
    world_from_input = scene.input_from_world.double().inverse().numpy()
    boxes = []
    for number, thing in enumerate(read_found(said)):
        corners = thing.box.corners @ world_from_input[:3, :3].T + world_from_input[:3, 3]
        text = f"{thing.answer.label} {100 * thing.answer.confidence:.0f} %"
        boxes.append(LabelledBox(corners, text, colour_of(number)))
    return boxes
