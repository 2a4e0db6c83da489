"""Features by networks of others: DINOv2 and v3, ViT, ResNet, ConvNeXt, CLIP and SigLIP, as transformers runs them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn.functional import normalize

from recon.errors import InputError, RunError
from recon.priors.features.extractor import PhotoFeatures, Progress
from recon.priors.features.loading import Loaded, load_network
from recon.priors.features.towers import see

__all__ = ["Pretrained", "PretrainedWithWords", "open_pretrained"]

_BATCH = 4
_LEAST = 448
"""Pixels along the longest side, at least: cells of 14 pixels then are 32 across."""
_SENTENCE = "a photo of a {}"
"""As the networks with words were trained to be asked (Radford et al. 2021)."""


def _to_stderr(text: str) -> None:
    print(f"note: {text}", file=sys.stderr, flush=True)


class Pretrained:
    """A `FeatureExtractor`."""

    def __init__(
        self, name: str, loaded: Loaded, *, batch: int = _BATCH, say: Callable[[str], None] = _to_stderr
    ) -> None:
        self.name = name
        self.loaded = loaded
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.loaded.net.to(self.device)
        self._batch, self._say, self._said = batch, say, False

    def extract(self, photos: Sequence[UInt8[Tensor, "_h _w 3"]], progress: Progress) -> Iterator[PhotoFeatures]:
        """Each photo whole, in its own proportions, neighbours of one size together."""
        waiting: list[Float[Tensor, "3 y x"]] = []
        done = 0
        for index in range(len(photos)):
            pixels = self._prepared(photos[index])
            if waiting and (len(waiting) == self._batch or pixels.shape != waiting[0].shape):
                yield from self._see(waiting)
                done += len(waiting)
                progress(done / len(photos))
                waiting = []
            waiting.append(pixels)
        if waiting:
            yield from self._see(waiting)
        progress(1.0)

    def _prepared(self, photo: UInt8[Tensor, "h w 3"]) -> Float[Tensor, "3 y x"]:
        patch, (height, width) = self.loaded.patch, photo.shape[:2]
        factor = max(self.loaded.native, _LEAST) / max(height, width)
        if min(height, width) < patch or min(height, width) * factor < patch:
            raise InputError(
                f"A photo of {width}x{height} pixels is smaller than the {patch} that {self.loaded.folder.name} "
                "sees as one.",
                advice="Leave it out, or give photos that are not thumbnails or strips.",
            )
        size = [max(1, round(side * factor / patch)) * patch for side in (height, width)]
        return self.loaded.preparation(photo.cpu(), *size)

    def _see(self, waiting: list[Float[Tensor, "3 y x"]]) -> Iterator[PhotoFeatures]:
        """Where memory is short, in smaller batches from then on, which is said once."""
        done = 0
        while done < len(waiting):
            part = waiting[done : done + self._batch]
            try:
                cells, wholes = self._run(torch.stack(part))
            except (RuntimeError, MemoryError) as error:
                if not _is_out_of_memory(error):
                    raise
                self._make_room(len(part))
                continue
            for one, whole in zip(cells.float().cpu(), wholes.float().cpu(), strict=True):
                yield PhotoFeatures(one, normalize(whole, dim=0))
            done += len(part)

    @torch.inference_mode()
    def _run(self, pixels: Float[Tensor, "b 3 h w"]) -> tuple[Float[Tensor, "b y x d"], Float[Tensor, "b e"]]:
        rows, columns = (side // self.loaded.patch for side in pixels.shape[2:])
        return see(self.loaded.net, self.loaded.tower, pixels.to(self.device), rows, columns)

    def _make_room(self, tried: int) -> None:
        if tried == 1:
            raise RunError(
                f"One photo does not fit into the memory of {self.device} with {self.loaded.folder.name}.",
                advice="Choose a smaller network, or --extractor classical.",
            )
        self._batch = tried // 2
        if not self._said:
            self._say(f"{self.device} is out of memory: {self._batch} photos at a time from here on.")
            self._said = True
        if self.device.type == "cuda":
            torch.cuda.empty_cache()


class PretrainedWithWords(Pretrained):
    """It reads words, too."""

    @torch.inference_mode()
    def words(self, texts: Sequence[str]) -> Float[Tensor, "t d"]:
        """Unit vectors in the space of the cells."""
        padding = "max_length" if self.loaded.tower.way == "siglip" else True
        longest = int(self.loaded.net.config.text_config.max_position_embeddings)
        sentences = [_SENTENCE.format(text) for text in texts]
        tokens = self.loaded.tokenizer(
            sentences, padding=padding, max_length=longest, truncation=True, return_tensors="pt"
        )
        inputs = {name: tokens[name].to(self.device) for name in ("input_ids", "attention_mask") if name in tokens}
        if self.loaded.tower.way == "siglip":  # trained with padding in sight
            inputs.pop("attention_mask", None)
        said = self.loaded.net.get_text_features(**inputs)
        vectors = said if isinstance(said, Tensor) else said.pooler_output
        return normalize(vectors.float().cpu(), dim=1)


def open_pretrained(name: str) -> Pretrained:
    """The network of a name of `recon weights`, OWNER/NAME on the hub, or in a folder; with words where it has them."""
    loaded = load_network(name)
    return PretrainedWithWords(name, loaded) if loaded.tower.words else Pretrained(name, loaded)


def _is_out_of_memory(error: BaseException) -> bool:
    """A GPU says it by a type, the CPU's allocator in words."""
    words = ("out of memory", "not enough memory", "can't allocate memory")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(word in str(error).lower() for word in words)
