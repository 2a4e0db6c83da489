"""Features of a set of photos as files: numbers in safetensors, the rest in JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from recon.errors import InputError, RunError
from recon.io.disk import write_whole
from recon.io.parsing import parse_json
from recon.io.tensors import check_tensors, tensors_from, tensors_to_bytes
from recon.types import Gaussians

__all__ = ["KeptFeatures", "check_folder", "read_features", "write_features"]

_FILE, _DESCRIPTION = "features.safetensors", "features.json"


@dataclass(frozen=True)
class KeptFeatures:
    """What `recon features` found."""

    extractor: str
    """Its name; a folder of weights where it is a network's."""
    photos: tuple[str, ...]
    wholes: Float[Tensor, "n e"]
    """Unit vectors of the photos."""
    gaussians: Float[Tensor, "g d"] | None = None
    """Features of a run's Gaussians, zeros where no photo shows one; None of a folder of photos."""
    words: bool = False
    """Whether the extractor reads words."""
    means: Float[Tensor, "g 3"] | None = None
    """Where those Gaussians lie, to know them again."""

    def fit(self, gaussians: Gaussians) -> bool:
        """Whether these are the features of these Gaussians."""
        return self.means is not None and torch.equal(self.means, gaussians.means.detach().cpu())


def check_folder(folder: Path) -> None:
    """Raise `InputError` where something lies that no features are: what is written replaces what has its name."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file.", advice="Pass a folder as --output.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _DESCRIPTION).is_file():
        raise InputError(f"{folder} holds other files.", advice="Pass an --output that is new or empty.")


def write_features(features: KeptFeatures, folder: Path) -> None:
    """Files that appear whole or not at all."""
    tensors = {"photos": features.wholes}
    if features.gaussians is not None and features.means is not None:
        tensors |= {"gaussians": features.gaussians.half(), "means": features.means}
    described = {"extractor": features.extractor, "words": features.words, "photos": list(features.photos)}
    write_whole(folder / _DESCRIPTION, json.dumps(described, indent=1).encode())
    write_whole(folder / _FILE, tensors_to_bytes(tensors))


def read_features(folder: Path) -> KeptFeatures:
    """What `write_features` wrote; raises `RunError` where that is not there or damaged."""
    again = f"Make them again: recon features RUN --output {folder}."
    try:
        described = parse_json((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        tensors = tensors_from((folder / _FILE).read_bytes())
    except FileNotFoundError as error:
        raise RunError(f"{folder} holds no features: it has no {Path(error.filename).name}.", advice=again) from error
    except (OSError, ValueError) as error:
        raise RunError(f"The features in {folder} cannot be read: {error}.", advice=again) from error
    try:
        check_tensors(tensors, {"photos": (torch.float32, (len(described["photos"]), None))})
        held = tensors.get("gaussians")
        if held is not None:
            check_tensors(
                tensors, {"gaussians": (torch.float16, (None, None)), "means": (torch.float32, (len(held), 3))}
            )
        return KeptFeatures(
            extractor=str(described["extractor"]),
            photos=tuple(map(str, described["photos"])),
            wholes=tensors["photos"],
            gaussians=None if held is None else held.float(),
            words=bool(described["words"]),
            means=tensors.get("means"),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(f"The features in {folder} are damaged: {error}.", advice=again) from error
