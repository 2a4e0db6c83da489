"""Depth by networks of others: Depth Anything V2 and DPT (MiDaS), as transformers runs them.

Source: Yang et al. 2024; Ranftl et al. 2021.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.errors import InputError, RunError
from recon.io.cache import content_key
from recon.priors.depth.kept import KeptAnswers, answers_home
from recon.priors.depth.loading import load_network
from recon.priors.protocols import DepthMap, Progress
from recon.types import Picture, Scene

__all__ = ["PretrainedDepth", "over_white"]

_BATCH = 4
_NARROWEST = 1e-9

Photo = UInt8[Tensor, "h w 3"]


def _to_stderr(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)


class PretrainedDepth:
    """A `DepthPrior`. `name` is one of `recon weights`, OWNER/NAME on the hub, or a folder."""

    def __init__(
        self,
        name: str | Path,
        *,
        device: torch.device | None = None,
        batch: int = _BATCH,
        say: Callable[[str], None] = _to_stderr,
    ) -> None:
        self.loaded = load_network(name)
        self.device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.loaded.net.to(self.device)
        self._batch, self._say, self._said = batch, say, False
        files = [path for path in self.loaded.folder.iterdir() if path.suffix in (".safetensors", ".bin", ".json")]
        self._kept = KeptAnswers(answers_home() / content_key(sorted(path for path in files)))

    def predict(self, scene: Scene, views: Sequence[int], progress: Progress) -> Iterator[DepthMap]:
        for first in range(0, len(views), _BATCH):
            chunk = views[first : first + _BATCH]
            pictures = [scene.images[view] for view in chunk]
            for view, picture in zip(chunk, pictures, strict=True):
                self._check_size(scene.names[view], picture)
            progress(first / len(views), scene.names[chunk[0]])
            answers = self._answers([over_white(picture) for picture in pictures])
            for picture, answer in zip(pictures, answers, strict=True):
                yield self._map(picture, answer)

    def _answers(self, photos: list[Photo]) -> list[Float[Tensor, "rows columns"]]:
        """What was kept, and for the others what the network says, those of one size together."""
        answers = [self._kept.read(photo) for photo in photos]
        for size in {photo.shape for photo, answer in zip(photos, answers, strict=True) if answer is None}:
            asked = [k for k, photo in enumerate(photos) if answers[k] is None and photo.shape == size]
            for k, answer in zip(asked, self._ask([photos[k] for k in asked]), strict=True):
                answers[k] = answer
                self._kept.write(photos[k], answer)
        return [answer for answer in answers if answer is not None]

    def _ask(self, photos: list[Photo]) -> list[Tensor]:
        """The network's answers; where memory is short, in smaller batches from then on, which is said once."""
        answers: list[Tensor] = []
        while len(answers) < len(photos):
            part = photos[len(answers) : len(answers) + self._batch]
            try:
                answers += self._run(part)
                continue
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
            if len(part) == 1:
                raise RunError(
                    f"One photo does not fit into the memory of {self.device} with {self.loaded.folder.name}.",
                    advice="Choose a smaller network, or --device cpu.",
                )
            self._batch = len(part) // 2
            if not self._said:
                self._say(f"{self.device} is out of memory: {self._batch} photos at a time from here on.")
                self._said = True
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
        return answers

    @torch.inference_mode()
    def _run(self, photos: list[Photo]) -> list[Tensor]:
        inputs = self.loaded.processor(images=[photo.cpu().numpy() for photo in photos], return_tensors="pt")
        said = self.loaded.net(pixel_values=inputs["pixel_values"].to(self.device)).predicted_depth
        return list(said.float().cpu())

    def _map(self, picture: Picture, answer: Float[Tensor, "rows columns"]) -> DepthMap:
        height, width, _ = picture.rgb.shape
        answer = F.interpolate(answer[None, None], size=(height, width), mode="bilinear", align_corners=False)[0, 0]
        known = torch.ones(height, width) if picture.alpha is None else (picture.alpha.cpu() > 127).float()
        known = torch.where(torch.isfinite(answer), known, 0)
        if self.loaded.kind == "relative":
            return DepthMap(answer.nan_to_num(0), known, "relative")
        near = answer > _NARROWEST
        return DepthMap(torch.where(near, 1 / torch.where(near, answer, 1), 0), known * near, "metric")

    def _check_size(self, name: str, picture: Picture) -> None:
        """The processor scales so that one side fits; the other must keep a patch."""
        height, width, _ = picture.rgb.shape
        patch, longest = self.loaded.patch, max(_sides(self.loaded.processor))
        narrowest = min(height, width) * min(1.0, longest / max(height, width))
        if narrowest < patch:
            raise InputError(
                f"{name} has {width} x {height} pixels: too narrow for {self.loaded.folder.name}, "
                f"which sees {patch} x {patch} as one.",
                advice="Leave it out, or use larger photos.",
            )


def over_white(picture: Picture) -> Photo:
    """The photo as networks know photos: without holes."""
    if picture.alpha is None:
        return picture.rgb.cpu()
    alpha = picture.alpha.cpu()[..., None].float() / 255
    return (picture.rgb.cpu() * alpha + 255 * (1 - alpha)).round().to(torch.uint8)


def _sides(processor: object) -> tuple[int, ...]:
    size = getattr(processor, "size", None) or {}
    sides = [size[name] for name in ("height", "width", "shortest_edge", "longest_edge") if name in dict(size)]
    return tuple(int(side) for side in sides if side) or (384,)


def _is_out_of_memory(error: BaseException) -> bool:
    """A GPU says it by a type, the CPU's allocator in words."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error).lower() for word in words)
