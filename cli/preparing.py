"""Everything before the first training step: posed photos, the scene, how long to train. Or all that from a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recon.cli.afterwards import Afterwards
from recon.cli.console import Console
from recon.cli.duration import Deadline
from recon.cli.fingerprint import fingerprint
from recon.cli.guiding import guided, require_depth
from recon.cli.interruption import Interruption
from recon.cli.kept import read_kept
from recon.cli.opening import posed_again, scene_with_photos
from recon.cli.posing import posed_photos
from recon.errors import InputError
from recon.io.resolution import choose_image_size, this_machine
from recon.io.run import Run
from recon.io.scene import load_scene
from recon.io.scene_file import write_scene
from recon.training import TrainConfig
from recon.types import Reconstruction, Scene

if TYPE_CHECKING:
    from recon.cli.train_options import Options

__all__ = ["Prepared", "prepare"]

_LEAST_TRAINING = 5.0
"""Seconds of training under which a budget makes no sense."""


@dataclass(frozen=True)
class Prepared:
    """What training starts from."""

    reconstruction: Reconstruction
    photos: int
    """How many there were, posed or not."""
    scene: Scene
    config: TrainConfig


def prepare(run: Run, kept: dict[str, Any], options: Options, deadline: Deadline, console: Console) -> Prepared:
    """The scene of the photos; where `kept`, the run's config, says that it got as far before, that one again.

    An earlier run in the same folder is forgotten only when photos, poses and options have proved usable.
    """
    if "scene" in kept:
        return _prepared_again(run, options, console)
    require_depth(options)
    posed = posed_photos(options, run.sfm_to_fill(), deadline, console)
    image_size = options.image_size
    if image_size is None:
        image_size = _affordable_size(posed.reconstruction, console, gpu=options.device == "cuda")
    scene = _scene(posed.reconstruction, image_size, options, console)
    ready = guided(scene, posed.reconstruction, options, console, keep=run.depth)
    config = _train_config(scene, options, deadline)
    described = {"image_size": image_size, "transparent": scene.transparent}
    length = {name: value for name, value in (("steps", config.steps), ("budget", config.budget)) if value is not None}
    with console.stage("store") as stage, Interruption() as interruption:
        inputs = {"photos": posed.photos, "hash": fingerprint(posed.reconstruction)}
        run.begin(kept)
        write_scene(run.scene, posed.reconstruction, scene)
        run.write_config(kept | {"inputs": inputs, "scene": described, "training": length})
        stage.result = f"COLMAP model in {run.sfm}"
    if interruption.asked:
        raise KeyboardInterrupt
    return Prepared(posed.reconstruction, posed.photos, ready, config)


def _affordable_size(reconstruction: Reconstruction, console: Console, *, gpu: bool) -> int:
    sizes = [(view.lens.width, view.lens.height) for view in reconstruction.views]
    if len(sizes) == 0:
        raise InputError("No photo has a pose.", advice="Take more photos that overlap.")
    chosen = choose_image_size(sizes, this_machine(gpu=gpu))
    console.say(chosen.sentence)
    return chosen.longest_side


def _scene(reconstruction: Reconstruction, image_size: int, options: Options, console: Console) -> Scene:
    with console.stage("scene") as stage:
        scene = load_scene(reconstruction, image_size=image_size, hold_out=options.hold_out)
        stage.result = f"{len(scene.train)} photos to train on, {len(scene.test)} held out"
    return scene


def _prepared_again(run: Run, options: Options, console: Console) -> Prepared:
    kept = read_kept(run)
    with console.stage("scene") as stage:
        images: Path | None = options.images if options.images != kept.options.images else None
        masks = options.masks if options.masks != kept.options.masks else None
        reconstruction = posed_again(run, images, masks)
        scene = scene_with_photos(run, kept, reconstruction)
        stage.result = f"{len(scene)} photos, posed before"
    config = TrainConfig(steps=kept.training.steps, budget=kept.training.budget, seed=options.seed)
    ready = guided(scene, reconstruction, options, console, keep=run.depth)
    return Prepared(reconstruction, kept.inputs.photos, ready, config)


def _train_config(scene: Scene, options: Options, deadline: Deadline) -> TrainConfig:
    left = deadline.left
    if left is None:
        return TrainConfig(steps=options.steps, seed=options.seed)
    training = Afterwards(scene, options.model.seconds_per_megapixel, left).budget
    if training is None or training < _LEAST_TRAINING:
        raise InputError(
            f"The budget of {options.budget} is used up before training: {left:.0f} s are left, and measuring and "
            "saving need some of them.",
            advice=f"Give more time; the poses found are kept: {_again(options)}",
        )
    return TrainConfig(steps=options.steps, budget=left, seed=options.seed)


def _again(options: Options) -> str:
    """What to type for another try. A run that is to be replaced is not the one to go on with."""
    if options.overwrite:
        return "the same command with a larger --budget."
    return f"recon train --resume {options.output} --budget ..."
