"""A run's held-out photos at full size, half, a quarter and an eighth: how well the model draws what is small or far.

    python benchmarks/scales.py RUN [--views 4]

The photos are shrunk by means over areas. Of a radiance field, rays as wide as their pixels are shown beside thin ones.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from recon.cli.opening import TrainedRun, open_run, posed_again, scene_with_photos
from recon.likeness import photo_over_background, psnr
from recon.models.nerf import NerfModel
from recon.sampling import shrink
from recon.types import Scene

PARTS = (1, 2, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("--views", type=int, default=4)
    options = parser.parse_args()
    opened = open_run(options.run)
    scene = scene_with_photos(opened.run, opened.config, posed_again(opened.run))
    model = opened.model
    print("| rays | " + " | ".join(f"1/{part}" for part in PARTS) + " |")
    print("|---" * (len(PARTS) + 1) + "|")
    if not isinstance(model, NerfModel):
        return row("as trained", opened, scene, options.views)
    trained = model.config
    for name, antialiased in (("as wide as their pixels", True), ("thin", False)):
        model.config = replace(trained, antialiased=antialiased)
        row(name + (", as trained" if antialiased == trained.antialiased else ""), opened, scene, options.views)
    return None


def row(name: str, opened: TrainedRun, scene: Scene, views: int) -> None:
    """A line of the table: mean PSNR over the first held-out views, for each size."""
    scores = [sum(score(opened, scene, index, part) for index in scene.test[:views]) / views for part in PARTS]
    print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in scores) + " |", flush=True)


@torch.no_grad()
def score(opened: TrainedRun, scene: Scene, index: int, part: int) -> float:
    camera, picture = scene.cameras[index], scene.images[index]
    if part > 1:
        camera = camera.resized(int(torch.maximum(camera.width, camera.height)) // part)
        picture = shrink(picture, width=int(camera.width), height=int(camera.height))
    drawn = opened.model.render(camera).over(opened.background).clamp(0, 1)
    return psnr(drawn, photo_over_background(picture, opened.background))


if __name__ == "__main__":
    main()
