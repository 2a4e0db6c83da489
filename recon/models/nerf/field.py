"""What is learnt: hash tables and two small networks, with the memory of their optimiser.

Letters: `n` samples, `r` rays, `p` points, `e` table entries.
Source: Mueller et al. 2022 (instant-ngp), section 5.4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recon.models.nerf.config import Detail
from recon.models.rays.bounds import Bounds
from recon.models.rays.learned import Learned
from recon.ops.directions import encode_directions
from recon.ops.hash_grid import HashGrid, hash_encode
from recon.ops.march import Samples
from recon.ops.mlp import Precision, initial_weights, mlp
from recon.ops.place import Placed
from recon.ops.radiance_field import radiance_field
from recon.ops.sparse_adam import sparse_adam_step

__all__ = ["Field", "Matter"]

_GEOMETRY = 16
"""Outputs of the density network, all of which the colour network sees."""
_DIRECTIONS = 16
_DENSEST = 15.0
"""Largest logarithm of density: beyond, nothing is denser to the eye, and float32 would end."""

_THIN, _THIN_WORLD = 1.0, 2.0
"""What a new field says of density, as a logarithm below one per radius, for a bounded and an unbounded scene: places
that no ray reaches stay empty, and of the world most are such."""


@dataclass(frozen=True)
class Matter:
    """What is at samples."""

    density: Float[Tensor, "n"]
    """Opacity gathered per world unit."""
    rgb: Float[Tensor, "n 3"]


class Field:
    """Mutable: training changes it in place."""

    def __init__(
        self,
        bounds: Bounds,
        detail: Detail,
        *,
        precision: Precision,
        generator: torch.Generator,
        device: torch.device | str = "cpu",
    ) -> None:
        self.bounds = bounds
        self.grid = HashGrid(
            levels=detail.levels, log2_entries=detail.entries, coarsest=16, finest=max(detail.finest, 16)
        )
        self.tables = self.grid.tables(generator).to(device)
        self.table_grad = torch.zeros_like(self.tables)
        self.first, self.second = torch.zeros_like(self.tables), torch.zeros_like(self.tables)
        density = initial_weights((self.grid.features, detail.width, _GEOMETRY), generator)
        colour = initial_weights((_DIRECTIONS + _GEOMETRY, detail.width, detail.width, 3), generator)
        self.networks = Learned.of([*density, *colour], device)
        self._density_layers = len(density)
        self._precision: Precision = precision

    def leaf(self) -> Float[Tensor, "w"]:
        """The networks' weights, ready to gather a gradient; the tables' gathers in `table_grad`."""
        return self.networks.values.clone().requires_grad_()

    def at(
        self,
        placed: Placed,
        samples: Samples,
        directions: Float[Tensor, "r 3"],
        leaf: Float[Tensor, "w"] | None = None,
        *,
        shine: float = 1.0,
    ) -> Matter:
        """Density and colour of samples. Differentiable when given a `leaf`.

        `shine`, 0 to 1, is how far the network is told where a ray comes from.
        """
        weights = self.networks.parts(leaf)
        learning = leaf is not None
        field = radiance_field(
            placed.positions,
            self.tables.detach().requires_grad_(learning),
            shine * encode_directions(directions),
            samples.rays,
            weights[: self._density_layers],
            weights[self._density_layers :],
            grid=self.grid,
            sigmas=placed.sigmas,
            table_grad=self.table_grad if learning else None,
            precision=self._precision,
        )
        return Matter(self._density(field.raw_density, placed.positions), torch.sigmoid(field.raw_rgb))

    @torch.no_grad()
    def density_at(self, placed: Placed) -> Float[Tensor, "n"]:
        """Density of samples alone, a third of the work of `at`."""
        encoded = hash_encode(placed.positions, self.tables, grid=self.grid, sigmas=placed.sigmas)
        return self._density(self._raw_density(encoded), placed.positions)

    @torch.no_grad()
    def density(self, points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
        """Opacity gathered per world unit at places of the world; zero outside the cube of a bounded scene."""
        y = self.bounds.unit(points)
        inside = torch.ones(len(points), dtype=torch.bool, device=points.device)
        if self.bounds.contract:
            norm = y.norm(dim=-1, keepdim=True).clamp(min=1)
            y = y * (2 - 1 / norm) / norm / 2
        else:
            inside = (y.abs() <= 1).all(dim=-1)
        positions = y / 2 + 0.5
        encoded = hash_encode(positions, self.tables, grid=self.grid)
        return self._density(self._raw_density(encoded), positions) * inside

    def step(self, gradient: Float[Tensor, "w"], *, rate: float) -> None:
        """Adam for networks and tables; clears the tables' gradient."""
        self.networks.step(gradient, rate)
        sparse_adam_step(
            self.tables, self.table_grad, self.first, self.second, learning_rate=rate, step=self.networks.steps
        )

    def forget_gradient(self) -> None:
        self.table_grad.zero_()

    def state_dict(self) -> dict[str, Tensor]:
        """On the CPU."""
        state = {name: getattr(self, name).to("cpu", copy=True) for name in ("tables", "first", "second")}
        return state | {f"networks.{name}": value for name, value in self.networks.state_dict().items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        if state["tables"].shape != self.tables.shape:
            raise RuntimeError(f"{len(state['tables'])} table entries instead of {len(self.tables)}")
        device = self.tables.device
        self.tables, self.first, self.second = (
            state[name].to(device, copy=True) for name in ("tables", "first", "second")
        )
        self.networks.load_state_dict({name: state[f"networks.{name}"] for name in self.networks.state_dict()})
        self.forget_gradient()

    def _raw_density(self, encoded: Float[Tensor, "n f"]) -> Float[Tensor, "n"]:
        return mlp(encoded, self.networks.parts()[: self._density_layers], precision=self._precision)[:, 0]

    def _density(self, raw: Float[Tensor, "n"], positions: Float[Tensor, "n 3"]) -> Float[Tensor, "n"]:
        """exp, in units that leave a new field a thin haze, all of an unbounded world with it."""
        thin = _THIN_WORLD if self.bounds.contract else _THIN
        density = _Exponential.apply(raw - thin) / self.bounds.radius
        if not self.bounds.contract:
            return density
        x, y, z = (4 * positions.detach() - 2).unbind(dim=-1)  # planes: a norm of three numbers each is slow
        from_middle = (x * x + y * y + z * z).sqrt()  # 2 - 1 / distance, where that is beyond 1
        return density * (2 - from_middle).clamp(min=0, max=1).square()  # how far the world is drawn together there


class _Exponential(torch.autograd.Function):
    """exp up to `_DENSEST`; the gradient goes on beyond, so that what became too dense can thin out again."""

    @staticmethod
    def forward(ctx, raw):
        density = raw.clamp(max=_DENSEST).exp()
        ctx.save_for_backward(density)
        return density

    @staticmethod
    def backward(ctx, *grads):  # pyright: ignore[reportIncompatibleMethodOverride]
        (density,) = ctx.saved_tensors
        return grads[0] * density
