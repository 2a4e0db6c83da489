"""What depth is worth where photos are few: ten to train on, every eighth held out, with and without --depth.

    RECON_DATA=... python benchmarks/few_views.py [fox studio] [--depth none stereo sensor] [--seconds 60]

Poses are given; sparse points are triangulated from the ten photos alone, so nothing of the others is known. Trainings
have the same steps, or the same seconds, depth included. `sensor` is studio's exact depth: the most that depth can do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from recon.cli.console import Console
from recon.cli.guiding import guided
from recon.datasets import data_root
from recon.evaluation import evaluate
from recon.export.views import render_picture
from recon.io.order import natural_key
from recon.io.posed import find_posed
from recon.io.scene import load_scene
from recon.models import GaussianConfig, build_model
from recon.sfm.config import PosesConfig
from recon.sfm.points import triangulate_photos
from recon.training import TrainConfig, TrainState, train
from recon.types import Reconstruction, Scene

SIZES = {"fox": 480, "studio": 400, "object": 400}


@dataclass(frozen=True)
class Guided:
    """What `guided` wants to know."""

    depth: Any
    model: GaussianConfig
    images: Path | None = None
    depth_from: Path | None = None
    device: str = "cpu"
    seed: int = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenes", nargs="*", choices=[*SIZES, []])  # [] is what argparse asks for where none is named
    parser.add_argument("--depth", nargs="*", default=["none", "stereo"])
    parser.add_argument("--photos", type=int, default=10)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seconds", type=float, help="of depth and training together, instead of steps")
    parser.add_argument("--keep", type=Path, help="write the held-out photos beside their renders here")
    options = parser.parse_args()
    print("| scene | depth | points | PSNR | SSIM | Gaussians | steps | depth s | training s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name in options.scenes or ["fox", "studio"]:
        reconstruction = few(name, options.photos)
        for depth in options.depth:
            print(row(name, depth, reconstruction, options), flush=True)


def few(name: str, count: int) -> Reconstruction:
    """The posed photos, `count` of them to train on, with the points that those alone agree on."""
    posed = find_posed(data_root() / name)
    assert posed is not None
    whole = posed.read()
    views = sorted(whole.views, key=lambda view: natural_key(view.name))
    test = [view for view in views if view.split == "test"] or views[::8]
    rest = [view for view in views if view not in test]
    chosen = [rest[round(i * (len(rest) - 1) / (count - 1))] for i in range(count)]
    train_views = tuple(replace(view, split="train") for view in chosen)
    with tempfile.TemporaryDirectory() as workspace:
        found = triangulate_photos(
            replace(whole, views=train_views), PosesConfig(), Path(workspace), lambda what, done: None
        )
    return replace(found, views=(*train_views, *(replace(view, split="test") for view in test)))


def row(name: str, depth: Any, reconstruction: Reconstruction, options: argparse.Namespace) -> str:
    scene = load_scene(reconstruction, image_size=SIZES[name])
    config = GaussianConfig()
    started = time.perf_counter()
    maps = data_root() / name / "depth" if depth == "sensor" else None
    scene = guided(scene, reconstruction, Guided(depth, config, depth_from=maps), Console(quiet=True))
    before = time.perf_counter()
    left = None if options.seconds is None else options.seconds - (before - started)
    length = TrainConfig(steps=options.steps) if left is None else TrainConfig(budget=left)
    model = build_model(config, scene, steps=length.limit or 1)
    state = TrainState.start(model, scene)
    for _ in train(state, scene, length):
        pass
    seconds = time.perf_counter() - before
    metrics = evaluate(model, scene, scene.test)
    if options.keep is not None:
        keep(model, scene, options.keep / f"{name}-{depth}")
    return (
        f"| {name} | {depth} | {len(scene.points)} | {metrics.psnr:.2f} | {metrics.ssim:.3f} "
        f"| {model.counts()['gaussians']} | {state.step} | {before - started:.0f} | {seconds:.0f} |"
    )


def keep(model, scene: Scene, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in scene.test:
        photo = scene.images[index].rgb
        both = torch.cat([photo, render_picture(model, scene.cameras[index], torch.zeros(3))], dim=1)
        Image.fromarray(both.numpy()).save(folder / f"{Path(scene.names[index]).stem}.png")


if __name__ == "__main__":
    main()
