"""The network of 2020: a position and a direction, told in sines and cosines, to density and colour.

Letters: `n` samples, `b` octaves.
Source: Mildenhall et al. 2020 (NeRF), section 5.1 and figure 7.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from recon.ops.mlp import initial_weights

__all__ = ["Network", "waves"]


def waves(values: Float[Tensor, "n d"], bands: int) -> Float[Tensor, "n f"]:
    """The values themselves, then sine and cosine of pi 2^i times each, for i below `bands`."""
    octaves = torch.arange(bands, dtype=values.dtype, device=values.device)
    scaled = values[:, None, :] * (math.pi * 2.0**octaves)[:, None]
    return torch.cat([values, scaled.sin().flatten(1), scaled.cos().flatten(1)], dim=1)


@dataclass(frozen=True)
class Network:
    """The shape of one network. Its weights are kept by whoever trains it."""

    layers: int
    width: int
    position_bands: int
    direction_bands: int

    def weights(self, generator: torch.Generator) -> list[Tensor]:
        """Where training begins: matrix and offset of each layer, in the order in which `answer` takes them."""
        told, turned = 3 * (1 + 2 * self.position_bands), 3 * (1 + 2 * self.direction_bands)
        shapes = [(told, self.width)] + [(self.width, self.width)] * (self.layers - 1)
        shapes[self._again] = (shapes[self._again][0] + told, self.width)
        shapes += [(self.width, self.width + 1), (self.width + turned, self.width // 2), (self.width // 2, 3)]
        start = []
        for inputs, outputs in shapes:
            start += [*initial_weights((inputs, outputs), generator), torch.zeros(outputs)]
        return start

    def answer(
        self, positions: Float[Tensor, "n 3"], directions: Float[Tensor, "n 3"], weights: list[Tensor]
    ) -> tuple[Float[Tensor, "n"], Float[Tensor, "n 3"]]:
        """Density, for positions in -1..1 in units of that length, and colour."""
        layers = list(zip(weights[::2], weights[1::2], strict=True))
        told = waves(positions, self.position_bands)
        values = told
        for index, (matrix, offset) in enumerate(layers[: self.layers]):
            if index == self._again:
                values = torch.cat([values, told], dim=1)
            values = torch.relu(values @ matrix.T + offset)
        geometry, turned, colour = layers[self.layers :]
        values = values @ geometry[0].T + geometry[1]
        density = softplus(values[:, 0] - 1)  # starts near haze; ReLU, as in the paper, can start dead
        seen = torch.cat([values[:, 1:], waves(directions, self.direction_bands)], dim=1)
        values = torch.relu(seen @ turned[0].T + turned[1])
        return density * 10, torch.sigmoid(values @ colour[0].T + colour[1])

    @property
    def _again(self) -> int:
        """The layer, past half of them, that is told the position once more."""
        return self.layers // 2 if self.layers > 2 else 1
