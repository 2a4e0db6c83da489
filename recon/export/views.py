"""Renders of cameras as PNG files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import chain, count
from pathlib import Path, PurePosixPath

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.io.disk import whole
from recon.types import Cameras, Renderer, Scene

__all__ = ["picture_names", "render_picture", "write_views"]

Progress = Callable[[float, str], None]


def write_views(
    model: Renderer,
    scene: Scene,
    indices: Sequence[int],
    folder: Path,
    *,
    background: Float[Tensor, "3"],
    progress: Progress,
) -> list[Path]:
    """The scene's own views, one PNG each, named after their photos."""
    from PIL import Image

    names = picture_names([scene.names[index] for index in indices])
    paths = [folder / name for name in names]
    for done, (index, path) in enumerate(zip(indices, paths, strict=True)):
        progress(done / len(paths), path.name)
        picture = render_picture(model, scene.cameras[index], background)
        with whole(path) as unfinished:
            Image.fromarray(picture.numpy()).save(unfinished, "PNG")
    return paths


def picture_names(photos: Sequence[str]) -> list[str]:
    """`a/b.jpg` becomes `a/b.png`; where that would make two the same, `a/b.jpg.png`. None leads out of a folder."""
    inside = [_inside(photo) for photo in photos]
    short = Counter(str(photo.with_suffix(".png")) for photo in inside)
    names: dict[str, None] = {}  # in order
    for photo in inside:
        brief, numbered = str(photo.with_suffix(".png")), (f"{photo}.{again}.png" for again in count(2))
        wanted = chain([brief] if short[brief] == 1 else [], [f"{photo}.png"], numbered)
        names[next(name for name in wanted if name not in names)] = None
    return list(names)


def _inside(photo: str) -> PurePosixPath:
    """The name without what leads elsewhere: other programs write whole paths, or `../`, into their models."""
    parts = [part for part in PurePosixPath(photo).parts if part.strip("/") not in ("", "..")]
    return PurePosixPath(*parts or ["photo"])


@torch.no_grad()
def render_picture(model: Renderer, camera: Cameras, background: Float[Tensor, "3"]) -> UInt8[Tensor, "h w 3"]:
    """What one camera sees, in 8-bit sRGB."""
    render = model.render(camera)
    rgb = render.over(background.to(render.rgb.device).expand_as(render.rgb))
    return (rgb.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
