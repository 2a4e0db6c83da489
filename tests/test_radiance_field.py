"""Hash encoding and both networks in one, against plain torch in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.ops.hash_grid import HashGrid
from recon.ops.mlp import bf16_runs_natively, initial_weights
from recon.ops.radiance_field import radiance_field, radiance_field_reference

GRID = HashGrid(levels=6, log2_entries=10, coarsest=3, finest=60)


def scene(n: int, *, density: tuple[int, ...] = (64, 16), colour: tuple[int, ...] = (64, 64), d: int = 16) -> dict:
    """Leaves by name, for `n` samples on rays of uneven length, some without any."""
    generator = torch.Generator().manual_seed(n)
    rays = torch.randint(0, max(n // 9, 1), (n,), generator=generator).sort().values.int()
    return {
        "positions": torch.rand(n, 3, generator=generator),
        "tables": torch.randn(GRID.entries, 2, generator=generator),
        "ray_features": torch.randn(max(n // 9, 1), d, generator=generator),
        "rays": rays,
        "density_weights": initial_weights((GRID.features, *density), generator),
        "colour_weights": initial_weights((d + density[-1], *colour, 3), generator),
        "sigmas": torch.rand(n, generator=generator) * 0.05,
    }


def leaves(of: dict) -> list[Tensor]:
    return [of["positions"], of["tables"], of["ray_features"], *of["density_weights"], *of["colour_weights"]]


def learning(of: dict, dtype: torch.dtype) -> dict:
    def copy(value):
        if isinstance(value, list):
            return [copy(v) for v in value]
        return value.to(dtype).clone().requires_grad_() if value.is_floating_point() else value

    return {name: copy(value) for name, value in of.items()} | {"sigmas": of["sigmas"].to(dtype)}


def cotangents(n: int, *, hidden: float = 0.3) -> tuple[Tensor, Tensor]:
    """A share of the samples has none, as behind a surface."""
    generator = torch.Generator().manual_seed(5)
    seen = (torch.rand(n, generator=generator) >= hidden).float()
    return torch.randn(n, generator=generator) * seen, torch.randn(n, 3, generator=generator) * seen[:, None]


def relative_error(value: Tensor | None, truth: Tensor | None) -> float:
    assert value is not None
    assert truth is not None
    return float((value.detach().double() - truth.detach()).norm() / truth.detach().norm().clamp(min=1e-12))


def errors(of: dict, n: int, precision: str) -> list[float]:
    ours, truth = learning(of, torch.float32), learning(of, torch.float64)
    value = radiance_field(**ours, grid=GRID, precision=precision)  # pyright: ignore[reportArgumentType]
    expected = radiance_field_reference(**truth, grid=GRID)
    of_density, of_rgb = cotangents(n)
    torch.autograd.backward([*value], [of_density, of_rgb])
    torch.autograd.backward([*expected], [of_density.double(), of_rgb.double()])
    pairs = zip([*value, *(v.grad for v in leaves(ours))], [*expected, *(v.grad for v in leaves(truth))], strict=True)
    return [relative_error(a, b) for a, b in pairs]


@pytest.mark.parametrize("n", [1, 191, 2000])
def test_values_and_gradients_match_the_reference_in_double(isa, n):
    assert max(errors(scene(n), n, "fp32")) < 1e-5


@pytest.mark.parametrize("shape", [{"density": (16, 1), "colour": (16,)}, {"density": (8,), "colour": (128,), "d": 24}])
def test_other_shapes_match_too(isa, shape):
    assert max(errors(scene(700, **shape), 700, "fp32")) < 1e-5


def test_bf16_is_within_a_hundredth_of_double():
    if not bf16_runs_natively():
        pytest.skip("this processor does not multiply bf16 matrices")
    assert max(errors(scene(3000), 3000, "bf16")) < 1e-2


def test_a_ray_over_many_parts_gets_all_of_its_gradient(isa):
    of = scene(5000)
    of["rays"] = torch.tensor([0] * 700 + [1] * 4000 + [2] * 300, dtype=torch.int32)
    assert max(errors(of, 5000, "fp32")) < 1e-5


def test_the_reference_passes_gradcheck():
    grid = HashGrid(levels=2, log2_entries=6, coarsest=2, finest=8)
    generator = torch.Generator().manual_seed(0)
    double = {"generator": generator, "dtype": torch.float64}
    given = [torch.rand(4, 3, **double), torch.randn(grid.entries, 2, **double), torch.randn(2, 3, **double)]
    weights = [w.double() for w in [*initial_weights((4, 16, 2)), *initial_weights((5, 16, 3))]]
    rays = torch.tensor([0, 0, 1, 1])

    def field(positions: Tensor, tables: Tensor, known: Tensor, *w: Tensor) -> tuple[Tensor, ...]:
        return tuple(radiance_field_reference(positions, tables, known, rays, w[:2], w[2:], grid=grid))

    assert torch.autograd.gradcheck(field, [v.requires_grad_() for v in (*given, *weights)], eps=1e-7, atol=1e-5)


def test_any_number_of_threads_gives_the_same_bits(set_threads):
    results, of = [], scene(30_000)
    for threads in (1, 2, 3):
        set_threads(threads)
        ours = learning(of, torch.float32)
        torch.autograd.backward([*radiance_field(**ours, grid=GRID)], [*cotangents(30_000)])
        results.append([value.grad for value in leaves(ours)])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))


def test_samples_out_of_order_are_refused():
    of = scene(50)
    of["rays"] = of["rays"].flip(0).contiguous()
    with pytest.raises(ValueError, match="order of their rays"):
        radiance_field(**of, grid=GRID)
