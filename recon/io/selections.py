"""Parts of a run's Gaussians that somebody gave a name: one file in the run, safetensors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recon.errors import InputError, RunError
from recon.io.disk import write_whole
from recon.io.tensors import check_tensors, tensors_from, tensors_to_bytes

__all__ = ["Selections", "check_name", "read_selections"]

_MEANS = ".means"
"""No name begins with a dot."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
_NOT = "not:"


@dataclass(frozen=True)
class Selections:
    """Which Gaussians each name stands for."""

    means: Float[Tensor, "g 3"]
    """Where all Gaussians lie, to know them again."""
    masks: Mapping[str, Bool[Tensor, "g"]]
    """In the order of the alphabet."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.masks)

    def with_mask(self, name: str, mask: Bool[Tensor, "g"]) -> Selections:
        """One more, or another of that name."""
        masks = {**self.masks, check_name(name): mask.cpu()}
        return Selections(self.means, {each: masks[each] for each in sorted(masks)})

    def chosen(self, words: tuple[str, ...]) -> Bool[Tensor, "g"]:
        """Gaussians in any of the names, and in none of those after `not:`; without a name, all but those."""
        wanted = [self._mask(word) for word in words if not word.startswith(_NOT)]
        unwanted = [self._mask(word.removeprefix(_NOT)) for word in words if word.startswith(_NOT)]
        everything = torch.ones(len(self.means), dtype=torch.bool)
        kept = torch.stack(wanted).any(dim=0) if wanted else everything
        return kept & ~torch.stack([~everything, *unwanted]).any(dim=0)

    def labels(self) -> Int[Tensor, "g"]:
        """1 for the first name and so on, 0 for none; the last of several counts."""
        labels = torch.zeros(len(self.means), dtype=torch.int32)
        for number, mask in enumerate(self.masks.values(), start=1):
            labels[mask] = number
        return labels

    def write(self, path: Path) -> None:
        """The file appears whole or not at all."""
        write_whole(path, tensors_to_bytes({_MEANS: self.means, **self.masks}))

    def _mask(self, name: str) -> Bool[Tensor, "g"]:
        if name not in self.masks:
            known = f"It has {', '.join(self.masks)}." if self.masks else "It has none."
            raise InputError(f"The run has no selection called {name}. {known}", advice=_MAKE)
        return self.masks[name]


_MAKE = "Make one: recon features RUN, then recon view RUN, click what you want and save it under a name."


def check_name(name: str) -> str:
    """The name, if it can be typed anywhere."""
    if _NAME.fullmatch(name) is None:
        raise InputError(
            f"{name!r} is no name for a selection.", advice="Use letters, digits, dots, dashes and underscores."
        )
    return name


def read_selections(path: Path, means: Float[Tensor, "g 3"]) -> Selections:
    """What the run has for the Gaussians at these places; raises `RunError` where that is damaged or old."""
    if not path.is_file():
        return Selections(means.detach().cpu(), {})
    again = "Select again in recon view."
    try:
        tensors = tensors_from(path.read_bytes())
        check_tensors(tensors, {_MEANS: (torch.float32, (None, 3))})
        held = tensors.pop(_MEANS)
        check_tensors(tensors, {name: (torch.bool, (len(held),)) for name in tensors})
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read: {error}.", advice=f"Delete it. {again}") from error
    if not torch.equal(held, means.detach().cpu()):
        raise RunError(
            f"The selections in {path} are of the run as it was before it was trained further.",
            advice=f"Delete the file. {again}",
        )
    return Selections(held, {name: tensors[name] for name in sorted(tensors)})
