"""A trained run, opened to be shown, measured or exported. No photos needed but where they are compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Float
from torch import Tensor

from recon.cli.fingerprint import fingerprint
from recon.cli.kept import Kept, read_kept
from recon.errors import InputError, RunError
from recon.io.moved import missing_masks, missing_photos, with_photos_in
from recon.io.pictures import Source, load_picture
from recon.io.run import Run
from recon.io.scene import load_scene
from recon.io.scene_file import read_reconstruction, read_scene
from recon.io.undistort import pinhole_of
from recon.models import build_model
from recon.training import TrainState
from recon.types import Model, Picture, Reconstruction, Scene

__all__ = [
    "TrainedRun",
    "has_all_photos",
    "load_state",
    "open_run",
    "posed_again",
    "scene_to_look_at",
    "scene_with_photos",
]


class _OnDemand:
    """Pictures, without masks, that are read when somebody looks; gray where the photo is no longer to be had."""

    def __init__(self, reconstruction: Reconstruction, image_size: int) -> None:
        views = sorted(reconstruction.views, key=lambda view: view.name)
        self._sources = [Source(v.path, None, v.lens, pinhole_of(v.lens, image_size)) for v in views]

    def __len__(self) -> int:
        return len(self._sources)

    def __getitem__(self, index: int) -> Picture:
        source = self._sources[index]
        try:
            return load_picture(source)
        except InputError:
            return Picture(torch.full((source.pinhole.height, source.pinhole.width, 3), 128, dtype=torch.uint8))


@dataclass(frozen=True)
class TrainedRun:
    run: Run
    scene: Scene
    """Without pictures."""
    model: Model
    config: Kept
    step: int
    device: torch.device | str = "cpu"
    """What renders."""

    @property
    def background(self) -> Float[Tensor, "3"]:
        """What evaluation compares over: white where photos have transparency, black elsewhere."""
        return torch.full((3,), 1.0 if self.config.scene.transparent else 0.0)


def open_run(folder: Path, device: torch.device | str = "cpu") -> TrainedRun:
    """The run's newest state on that device; what it renders is where its cameras are: on the CPU."""
    run = Run.open(folder)
    if not run.has_checkpoint:
        raise RunError(f"{folder} has no checkpoint yet.", advice=f"Train it: recon train --resume {folder}.")
    config = read_kept(run)
    scene = read_scene(run.scene)
    model = build_model(config.options.model, scene, steps=1, device=device)
    state = TrainState.start(model, scene)
    load_state(run, state)
    return TrainedRun(run, scene, model, config, state.step, device)


def load_state(run: Run, state: TrainState) -> None:
    """Where the run's checkpoint left off; raises `RunError` when it is of another model than the run's config.toml."""
    held = run.load_checkpoint(like=state.state_dict())
    try:
        state.load_state_dict({name: value for name, value in held.items() if isinstance(value, Tensor)})
    except (RuntimeError, ValueError) as error:
        raise RunError(
            f"The checkpoint of {run.folder} does not fit its config.toml: {error}.", advice="Train again; --overwrite."
        ) from error


def scene_to_look_at(opened: TrainedRun) -> Scene:
    """The scene with its photos as far as they are still there; nothing is read before somebody looks."""
    images = _OnDemand(read_reconstruction(opened.run.scene), opened.config.scene.image_size)
    return replace(opened.scene, images=images)


def has_all_photos(opened: TrainedRun) -> bool:
    """Whether every photo the run was trained on still lies where it was."""
    return len(missing_photos(read_reconstruction(opened.run.scene))) == 0


def posed_again(run: Run, images: Path | None = None, masks: Path | None = None) -> Reconstruction:
    """The run's posed photos where they lie, or in `images` and `masks` when they were moved; all of them are there."""
    reconstruction = read_reconstruction(run.scene)
    if images is not None or masks is not None:
        reconstruction = with_photos_in(reconstruction, images, masks)
    missing = missing_photos(reconstruction)
    if missing:
        where = images if images is not None else _photo_folder(reconstruction)
        raise RunError(
            f"{len(missing)} of {len(reconstruction.views)} photos are no longer in {where}, {missing[0]} for one.",
            advice="Say where they are now with --images DIR.",
        )
    unmasked = missing_masks(reconstruction)
    if unmasked:
        raise RunError(
            f"The mask {unmasked[0]} {f'and {len(unmasked) - 1} more are' if len(unmasked) > 1 else 'is'} gone.",
            advice="Say where they are now with --masks DIR.",
        )
    return reconstruction


def scene_with_photos(run: Run, config: Kept, reconstruction: Reconstruction) -> Scene:
    """The scene with pictures, made again from the photos; `RunError` where those are others than it was made from."""
    if fingerprint(reconstruction) != config.inputs.hash:
        raise RunError(
            f"The photos or masks in {_photo_folder(reconstruction)} have changed since {run.folder} was started.",
            advice="Put the old ones back, or train again with --overwrite.",
        )
    scene = load_scene(reconstruction, image_size=config.scene.image_size, hold_out=config.options.hold_out)
    kept = read_scene(run.scene)
    if scene.names != kept.names or not torch.allclose(scene.cameras.focal, kept.cameras.focal, rtol=1e-4):
        raise RunError(
            "The photos are not the ones this run was trained on: names or sizes differ.",
            advice="Pass the folder of the original photos with --images DIR.",
        )
    return scene


def _photo_folder(reconstruction: Reconstruction) -> Path:
    """The folder that names of photos are relative to."""
    view = reconstruction.views[0]
    inside = PurePosixPath(view.name).parts
    path = view.path
    return path.parents[len(inside) - 1] if path.parts[-len(inside) :] == inside else path.parent
