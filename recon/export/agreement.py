"""How much like the model a written file looks, through the cameras of photos the model never saw."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.export.splat_renderer import SplatRenderer
from recon.export.work import Progress, Work
from recon.io.splats.turning import placed
from recon.likeness import photo_over_background, psnr
from recon.types import Cameras, Gaussians, Picture, Renderer

__all__ = ["Agreement", "compare"]

_MOST_VIEWS = 16
_TYPICAL_PSNR = 30.0


@dataclass(frozen=True)
class Agreement:
    psnr: float
    """Of renders of the file against renders of the model, dB; 100 where they are the same."""
    loss: float
    """How many dB of PSNR against the photos the file has lost."""
    measured: bool
    """`loss` was measured with the photos; otherwise it is what a model of 30 dB would lose."""
    views: int


def compare(work: Work, read: Gaussians, file_from_world: Float[np.ndarray, "4 4"], progress: Progress) -> Agreement:
    """Render the Gaussians of a file where the model is rendered, from held-out cameras (trained ones without any).

    The cameras are turned into the file's axes, not the Gaussians back: a mistake in turning them shows.
    """
    scale = float(np.cbrt(abs(np.linalg.det(file_from_world[:3, :3]))))
    turned_from_file = np.eye(4)
    turned_from_file[:3, :3] /= scale
    turned_from_file[:3, 3] = -file_from_world[:3, 3] / scale
    renderer = SplatRenderer(placed(read, turned_from_file))
    scene = work.scene
    candidates = scene.test if len(scene.test) > 0 else scene.train
    indices = candidates[:: max(1, -(-len(candidates) // _MOST_VIEWS))]
    errors, before, after = [], [], []
    for done, index in enumerate(indices):
        progress(done / len(indices), f"view {done + 1} of {len(indices)}")
        picture = scene.images[index] if work.has_photos else None
        camera = scene.cameras[index]
        turned = _turned(camera, file_from_world[:3, :3] / scale)
        with torch.no_grad():
            shown, again = _shown(work.model, camera, work), _shown(renderer, turned, work)
        errors.append(psnr(again, shown))
        if picture is not None:
            before.append(_against(picture, shown, work))
            after.append(_against(picture, again, work))
    agreed = float(np.mean(errors))
    if len(before) > 0 and np.isfinite(before).all():
        return Agreement(agreed, float(np.mean(before) - np.mean(after)), True, len(indices))
    return Agreement(agreed, _loss_of(agreed), False, len(indices))


def _shown(model: Renderer, camera: Cameras, work: Work) -> Float[Tensor, "h w 3"]:
    render = model.render(camera)
    return render.over(work.background.to(render.rgb.device)).clamp(0, 1).cpu()


def _against(picture: Picture, image: Float[Tensor, "h w 3"], work: Work) -> float:
    """dB of a render against the photo, where the photo's mask has weight."""
    weight = None if picture.mask is None else picture.mask.float() / 255
    return psnr(image, photo_over_background(picture, work.background), weight)


def _turned(camera: Cameras, turn: Float[np.ndarray, "3 3"]) -> Cameras:
    """The camera in axes that `turn` takes the world's points to. A turn that mirrors leaves it seeing the same."""
    matrix = np.eye(4)
    matrix[:3, :3] = turn.T
    pose = camera.cam_from_world.double() @ torch.from_numpy(matrix)
    return replace(camera, cam_from_world=pose.float())


def _loss_of(agreed: float) -> float:
    """Of a model of 30 dB, whose own errors have nothing to do with the file's."""
    return 10 * math.log10(1 + 10 ** ((_TYPICAL_PSNR - agreed) / 10))
