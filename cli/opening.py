"""A trained run, opened to be shown, measured or exported. No photos needed but where they are compared with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError, RunError
from recon.io.pictures import Source, load_picture
from recon.io.run import Run
from recon.io.scene import load_scene
from recon.io.scene_file import missing_photos, read_reconstruction, read_scene, with_photos_in
from recon.io.settings import from_plain
from recon.io.undistort import pinhole_of
from recon.models import GaussianConfig, build_model
from recon.models.gaussians import GaussianModel
from recon.types import Picture, Reconstruction, Scene

__all__ = ["TrainedRun", "load_model", "open_run", "scene_to_look_at", "scene_with_photos"]


class _OnDemand:
    """Pictures that are read when somebody looks at them; gray where the photo is no longer to be had."""

    def __init__(self, reconstruction: Reconstruction, image_size: int) -> None:
        views = sorted(reconstruction.views, key=lambda view: view.name)
        self._sources = [Source(v.path, v.mask, v.lens, pinhole_of(v.lens, image_size)) for v in views]

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
    model: GaussianModel
    config: dict[str, Any]
    step: int

    @property
    def background(self) -> Float[Tensor, "3"]:
        """What evaluation compares over: white where photos have transparency, black elsewhere."""
        return torch.full((3,), 1.0 if self.config["scene"]["transparent"] else 0.0)


def open_run(folder: Path) -> TrainedRun:
    run = Run.open(folder)
    config = run.read_config()
    if not run.has_checkpoint:
        raise RunError(f"{folder} has no checkpoint yet.", advice=f"Train it: recon train --resume {folder}.")
    scene = read_scene(run.scene)
    state = run.load_checkpoint()
    return TrainedRun(run, scene, load_model(config, scene, state, folder), config, int(state["step"]))


def scene_to_look_at(opened: TrainedRun) -> Scene:
    """The scene with its photos as far as they are still there; nothing is read before somebody looks."""
    images = _OnDemand(read_reconstruction(opened.run.scene), opened.config["scene"]["image_size"])
    return replace(opened.scene, images=images)


def load_model(config: dict[str, Any], scene: Scene, state: dict[str, Tensor], folder: Path) -> GaussianModel:
    """The model of a checkpoint, without its optimiser's future."""
    options = from_plain(GaussianConfig, config["options"]["model"], where=f"{folder}/config.toml: model")
    model = build_model(options, scene, steps=1)
    assert isinstance(model, GaussianModel)
    try:
        model.load_state_dict(
            {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
        )
    except (KeyError, RuntimeError) as error:
        raise RunError(
            f"The checkpoint of {folder} does not fit its config.toml: {error}.", advice="Train again; --overwrite."
        ) from error
    return model


def scene_with_photos(run: Run, config: dict[str, Any], images: Path | None) -> Scene:
    """The scene with pictures, made again from the photos where they lie, or in `images` when they were moved."""
    reconstruction = read_reconstruction(run.scene)
    if images is not None:
        reconstruction = with_photos_in(reconstruction, images)
    missing = missing_photos(reconstruction)
    if missing:
        where = images if images is not None else _photo_folder(reconstruction)
        raise RunError(
            f"{len(missing)} of {len(reconstruction.views)} photos are no longer in {where}, {missing[0]} for one.",
            advice="Say where they are now with --images DIR.",
        )
    scene = load_scene(
        reconstruction, image_size=config["scene"]["image_size"], hold_out=config["options"].get("hold_out", 8)
    )
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
