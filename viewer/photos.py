"""The photos as little pyramids in the scene: click one to stand where it was taken and see it beside the model."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8

from recon.geometry import quaternion_from_rotation
from recon.types import Picture, Scene
from recon.viewer.outlook import outlook_of
from recon.viewer.pace import Share
from recon.viewer.view import fov_that_holds

__all__ = ["Ask", "Photos"]

Ask = Callable[[Callable[[], None]], None]
"""Puts something to do in line for the thread that serves."""

_MOST = 200
"""Photos drawn in the scene, evenly chosen when there are more: browsers slow down with each."""
_THUMBNAIL, _PHOTO = 96, 640
"""Pixels of the longest side: in the scene, and in the panel."""
_TRAINED, _HELD_OUT = (90, 150, 220), (240, 150, 60)


@dataclass
class _Shown:
    """The photo in one browser's panel."""

    index: int
    folder: Any
    title: Any
    image: Any


class Photos:
    """The photos of a scene on the page. One thread calls everything here; browsers' wishes come through `ask`."""

    def __init__(self, server: Any, scene: Scene, ask: Ask) -> None:
        self._server, self._scene, self._ask = server, scene, ask
        self._size = _size(scene)
        self._root = server.scene.add_frame("/photos", show_axes=False)
        self._pyramids = {index: self._add(index) for index in _evenly(len(scene))}
        self._blank = list(self._pyramids)
        self._share = Share(0.1)
        self._shown: dict[int, _Shown] = {}

    @property
    def near(self) -> float:
        """Distance within which a camera draws nothing, so that a photo's own pyramid does not cover its outlook."""
        return 1.3 * self._size

    def set_visible(self, visible: bool) -> None:
        self._root.visible = visible

    def serve(self, *, training: bool) -> None:
        """Put the picture on one pyramid that has none yet."""
        began = time.monotonic()
        if len(self._blank) == 0 or not self._root.visible or (training and not self._share.ready(began)):
            return
        index = self._blank.pop(0)
        self._pyramids[index].image = _shrunk(self._scene.images[index], _THUMBNAIL)
        now = time.monotonic()
        self._share.spent(now - began, now)

    def show(self, client: Any, index: int) -> None:
        """Take a browser to the photo's place, with the photo in its panel."""
        outlook_of(self._scene, index).show(client, self._scene)
        picture = _shrunk(self._scene.images[index], _PHOTO)
        split = " (held out)" if index in self._scene.test else ""
        title = f"{self._scene.names[index]}{split}"
        shown = self._shown.get(client.client_id)
        if shown is None:
            self._shown[client.client_id] = self._open(client, index, title, picture)
        else:
            shown.index, shown.title.content, shown.image.image = index, title, picture

    def leave(self, client: Any) -> None:
        """A browser has gone."""
        self._shown.pop(client.client_id, None)

    def close(self, client: Any) -> None:
        """Take the photo off a browser's panel."""
        shown = self._shown.pop(client.client_id, None)
        if shown is not None:
            shown.folder.remove()

    def _step(self, client: Any, by: int) -> None:
        shown = self._shown.get(client.client_id)
        if shown is not None:
            self.show(client, (shown.index + by) % len(self._scene))

    def _open(self, client: Any, index: int, title: str, picture: UInt8[np.ndarray, "h w 3"]) -> _Shown:
        folder = client.gui.add_folder("Photo", order=1.5)
        with folder:
            image = client.gui.add_image(picture, format="jpeg", jpeg_quality=85)
            label = client.gui.add_markdown(title)
            buttons = client.gui.add_button_group("", ("Previous", "Next", "Close"))

        @buttons.on_click
        async def _(event: Any) -> None:
            does = {
                "Previous": lambda: self._step(client, -1),
                "Next": lambda: self._step(client, 1),
                "Close": lambda: self.close(client),
            }
            self._ask(does[event.target.value])

        return _Shown(index, folder, label, image)

    def _add(self, index: int) -> Any:
        camera = self._scene.cameras[index]
        pose = camera.cam_from_world.double().cpu().numpy()
        aspect = float(camera.width / camera.height)
        pyramid = self._server.scene.add_camera_frustum(
            f"/photos/{index}",
            fov=fov_that_holds(camera, aspect),
            aspect=aspect,
            thickness=1.5,
            thickness_units="screen",
            color=_HELD_OUT if index in self._scene.test else _TRAINED,
            wxyz=quaternion_from_rotation(pose[:3, :3].T),
            position=-pose[:3, :3].T @ pose[:3, 3],
            cast_shadow=False,
            receive_shadow=False,
        )
        pyramid.scale = self._size / pyramid.compute_canonical_frustum_size()[2]

        @pyramid.on_click
        async def _(event: Any) -> None:
            self._ask(lambda: self._click(event.client, np.array(event.ray_origin), np.array(event.ray_direction)))

        return pyramid

    def _click(self, client: Any, origin: Float[np.ndarray, "3"], direction: Float[np.ndarray, "3"]) -> None:
        """Show the photo that a line of sight meets first, beyond those too near to be seen.

        The page cannot say: to it, whoever stands at a photo's place clicks on that photo wherever he clicks.
        """
        indices = list(self._pyramids)
        cameras = self._scene.cameras[indices].to("cpu")
        rotation, shift = np.split(cameras.cam_from_world[:, :3].double().numpy(), [3], axis=2)
        start, step = rotation @ origin + shift[:, :, 0], rotation @ direction
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = (self._size - start[:, 2]) / step[:, 2]
            met = (start + distance[:, None] * step)[:, :2] / self._size * cameras.focal.numpy()
            met += cameras.center.numpy()
        inside = ((met > 0) & (met < torch.stack([cameras.width, cameras.height], dim=-1).numpy())).all(axis=1)
        distance = np.where(inside & (distance > self.near), distance, np.inf)
        if np.isfinite(distance).any():
            self.show(client, indices[int(distance.argmin())])


def _size(scene: Scene) -> float:
    """Depth of the pyramids in the world: a share of the scene, less where photos stand close together."""
    position = scene.cameras.position
    largest = 0.07 * scene.extent
    if len(position) < 2:
        return largest
    apart = torch.cdist(position, position).fill_diagonal_(float("inf")).amin(dim=1).median()
    return float(apart.clamp(min=0.25 * largest, max=largest))


def _evenly(count: int) -> list[int]:
    step = max(1.0, count / _MOST)
    return [int(number * step) for number in range(min(count, _MOST))]


def _shrunk(picture: Picture, longest_side: int) -> UInt8[np.ndarray, "h w 3"]:
    """The photo no larger than `longest_side`, its empty parts white."""
    from PIL import Image

    rgb = picture.rgb.cpu()
    if picture.alpha is not None:
        alpha = picture.alpha.cpu()[:, :, None].float() / 255
        rgb = (rgb * alpha + 255 * (1 - alpha)).round().to(torch.uint8)
    image = Image.fromarray(rgb.numpy())
    image.thumbnail((longest_side, longest_side), Image.Resampling.BILINEAR)
    return np.asarray(image)
