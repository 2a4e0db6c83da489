"""A `Reconstruction` to the `Scene` that training works on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from recon.errors import InputError
from recon.geometry import average_up, invert_similarity, scale_of, transform_points
from recon.io.normalise import choose_input_from_world
from recon.io.pictures import Pictures, Source
from recon.io.resolution import choose_image_size, this_machine
from recon.io.seed_points import random_points
from recon.io.undistort import Pinhole, pinhole_of
from recon.types import Cameras, Lens, Reconstruction, Scene, View

__all__ = ["load_scene"]

_RANDOM_POINTS = 20_000


def load_scene(
    reconstruction: Reconstruction, *, image_size: int | None, hold_out: int = 8, memory_limit: int | None = None
) -> Scene:
    """Undistort, shrink to a longest side of `image_size` pixels (None: what the machine affords), normalise, split.

    Views are in the order of their names. The data set's own test views are held out; if it names none, every
    `hold_out`-th is, beginning with the first (0: none). Pictures take at most `memory_limit` bytes, by default a
    quarter of what is free. Without points, random ones in view of the cameras are made.
    """
    views = sorted(reconstruction.views, key=lambda view: view.name)
    if len(views) == 0:
        raise InputError("No photo has a pose.", advice="Take more photos that overlap.")
    if image_size is not None and image_size < 16:
        raise InputError(f"An image size of {image_size} pixels is too small.", advice="Use 240 or more.")
    train, test = _split(views, hold_out)
    if len(train) == 0:
        raise InputError("No photo is left to train on.", advice="Hold out fewer: --hold-out 8, or 0 for none.")
    machine = this_machine()
    if image_size is None:
        sizes = [(view.lens.width, view.lens.height) for view in views]
        image_size = choose_image_size(sizes, machine).longest_side
    known = _pinholes(views, image_size)
    pinholes = [known[view.lens] for view in views]
    sources = [Source(view.path, view.mask, view.lens, known[view.lens]) for view in views]
    images = Pictures(sources, machine.memory // 4 if memory_limit is None else memory_limit)
    cam_from_input = np.stack([view.cam_from_input for view in views]).astype(np.float64)
    xyz = reconstruction.points.xyz.numpy().astype(np.float64)
    half_view = np.array([[p.width / p.focal[0], p.height / p.focal[1]] for p in pinholes]) / 2
    input_from_world = choose_input_from_world(cam_from_input, half_view, xyz)
    cameras = _cameras(cam_from_input, input_from_world, pinholes)
    if len(xyz) > 0:
        world = transform_points(invert_similarity(input_from_world), xyz)
        points = replace(reconstruction.points, xyz=torch.from_numpy(world).float())
    else:
        points = random_points(cameras, images, train, count=_RANDOM_POINTS, seed=0)
    up = average_up(cam_from_input) if reconstruction.up is None else reconstruction.up
    return Scene(
        names=tuple(view.name for view in views),
        cameras=cameras,
        images=images,
        points=points,
        train=train,
        test=test,
        input_from_world=torch.from_numpy(input_from_world).float(),
        up=torch.from_numpy(np.array(up, dtype=np.float64) / np.linalg.norm(up)).float(),
        transparent=images[train[0]].alpha is not None,
    )


def _pinholes(views: list[View], image_size: int) -> dict[Lens, Pinhole]:
    known: dict[Lens, Pinhole] = {}
    for view in views:
        try:
            known[view.lens] = known.get(view.lens) or pinhole_of(view.lens, image_size)
        except InputError as error:
            raise InputError(f"{view.name} cannot be used. {error.message}", advice=error.advice) from error
    return known


def _cameras(cam_from_input: np.ndarray, input_from_world: np.ndarray, pinholes: list[Pinhole]) -> Cameras:
    cam_from_world = cam_from_input @ input_from_world
    cam_from_world[:, :3] /= scale_of(input_from_world)  # camera frames are measured in world units, too
    return Cameras(
        torch.from_numpy(cam_from_world).float(),
        focal=torch.tensor([pinhole.focal for pinhole in pinholes]),
        center=torch.tensor([pinhole.center for pinhole in pinholes]),
        width=torch.tensor([pinhole.width for pinhole in pinholes]),
        height=torch.tensor([pinhole.height for pinhole in pinholes]),
    )


def _split(views: list[View], hold_out: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Indices to train on and to hold out. At least two views are trained on where there are so many."""
    everything = range(len(views))
    test = [index for index in everything if views[index].split == "test"]
    if not 0 < len(test) < len(views):
        test = list(everything[::hold_out]) if hold_out > 0 and len(views) > 2 else []
    train = [index for index in everything if index not in set(test)]
    return tuple(train), tuple(test)
