"""Which of a model's Gaussians look like a place that somebody points at, or like a word; and how that is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recon.export.splat_renderer import SplatRenderer
from recon.ops.blocks import pack
from recon.ops.splat import splat_forward
from recon.priors.features.likeness import like_place, like_words
from recon.priors.features.principal import Principal
from recon.types import Cameras, Gaussians

__all__ = ["Alike", "ReadWords"]

ReadWords = Callable[[list[str]], Float[Tensor, "t d"]]

_OTHER_WORDS = ["thing", "object", "stuff", "texture"]
"""What a word is weighed against, as in LERF (Kerr et al. 2023)."""
_LEAST = 0.5
_AROUND = 2
"""Pixels around the one that was clicked whose Gaussians count, too."""
_SAMPLE = 50_000
_DIM, _SH_CONSTANT = 0.3, 0.28209479177387814


class Alike:
    """A model that does not change, and its features. One thread calls everything here."""

    def __init__(
        self, gaussians: Gaussians, features: Float[Tensor, "g d"], read_words: ReadWords | None = None
    ) -> None:
        """`read_words` gives unit vectors in the space of the features; None where they know no words."""
        self.coloured = False
        """Whether Gaussians have the colours of their features."""
        self.least = _LEAST
        """How alike is enough, -1 to 1."""
        self._gaussians, self._features, self._read_words = gaussians, features, read_words
        self._blocks = pack(replace(gaussians, sh=torch.zeros_like(gaussians.sh[:, :1])))
        self._alike: Float[Tensor, "g"] | None = None
        self._shown: tuple[tuple[object, ...], SplatRenderer] | None = None
        self._others: Float[Tensor, "t d"] | None = None

    @property
    def reads_words(self) -> bool:
        return self._read_words is not None

    @property
    def selected(self) -> Bool[Tensor, "g"] | None:
        """None while nobody asked for anything."""
        return None if self._alike is None else self._alike >= self.least

    def point_at(self, camera: Cameras, x: float, y: float) -> bool:
        """Ask for what looks like the place at this share (0 to 1) of the picture; False where there is nothing."""
        height, width = int(camera.height), int(camera.width)
        median = torch.empty(height, width, dtype=torch.int32)
        options = {"sh_degree": 0, "antialiased": self._gaussians.antialiased, "way_back": False}
        splat_forward(self._blocks, camera, median=median, **options)
        row, column = min(int(y * height), height - 1), min(int(x * width), width - 1)
        rows, columns = (slice(max(at - _AROUND, 0), at + _AROUND + 1) for at in (row, column))
        there = median[rows, columns].flatten().long()
        there = there[there >= 0]
        there = there[(self._features[there] != 0).any(dim=1)]
        if len(there) == 0:
            return False
        self._ask(like_place(self._features, self._features[there].mean(dim=0)))
        return True

    def ask(self, word: str) -> None:
        """Ask for what the word fits better than words that fit anything."""
        assert self._read_words is not None
        if self._others is None:
            self._others = self._read_words(_OTHER_WORDS)
        self._ask(like_words(self._features, self._read_words([word])[0], self._others))

    def forget(self) -> None:
        """Nobody asks for anything any more."""
        self._alike = self._shown = None

    def shown(self) -> SplatRenderer | None:
        """The model as this shows it; None where that is as it is."""
        selected = self.selected
        if selected is None and not self.coloured:
            return None
        state = (self.coloured, self.least, id(self._alike))
        if self._shown is None or self._shown[0] != state:
            sh = self._feature_colours() if self.coloured else self._gaussians.sh.detach()
            if selected is not None:
                sh = _dimmed(sh, ~selected)
            self._shown = state, SplatRenderer(replace(self._gaussians, sh=sh))
        return self._shown[1]

    def _ask(self, alike: Float[Tensor, "g"]) -> None:
        self._alike, self._shown = alike, None

    def _feature_colours(self) -> Float[Tensor, "g 1 3"]:
        known = (self._features != 0).any(dim=1)
        some = self._features[known] if bool(known.any()) else self._features
        colours = Principal.of(some[:: max(1, len(some) // _SAMPLE)], 3).colours(self._features).float() / 255
        return ((colours - 0.5) / _SH_CONSTANT)[:, None]


def _dimmed(sh: Float[Tensor, "g k 3"], which: Bool[Tensor, "g"]) -> Float[Tensor, "g k 3"]:
    """Those Gaussians dark and gray, without shine."""
    sh = sh.clone()
    gray = (0.5 + _SH_CONSTANT * sh[which, 0]).mean(dim=1, keepdim=True).clamp(0, 1)
    sh[which] = 0
    sh[which, 0] = (_DIM * gray.expand(-1, 3) - 0.5) / _SH_CONSTANT
    return sh
