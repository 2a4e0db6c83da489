"""Samples' positions in the unit cube, and directions' spherical harmonics, against plain torch in double precision."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from recon.ops.directions import encode_directions, encode_directions_reference
from recon.ops.march import OccupancyCubes, Samples, march
from recon.ops.place import place_samples, place_samples_reference

FRAME: dict[str, Any] = {"center": (0.1, -0.2, 0.3), "radius": 0.8}


def rays(r: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(r)
    origins = torch.randn(r, 3, generator=generator)
    return origins, torch.nn.functional.normalize(torch.randn(r, 3, generator=generator), dim=1)


def samples_of(origins: Tensor, directions: Tensor) -> Samples:
    occupied = torch.rand(5, 8, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.3
    cubes = OccupancyCubes(occupied, **FRAME)
    return march(origins, directions, cubes, step=0.05, cone=0.02, max_samples=10**6)


def relative_error(value: Tensor | None, truth: Tensor | None) -> float:
    assert value is not None
    assert truth is not None
    return float((value.detach().double() - truth.detach()).norm() / truth.detach().norm().clamp(min=1e-12))


@pytest.mark.parametrize("contract", [False, True])
@pytest.mark.parametrize("r", [1, 90])
def test_positions_and_gradients_match_the_reference_in_double(isa, r, contract):
    origins, directions = leaves = [value.requires_grad_() for value in rays(r)]
    truths = [value.detach().double().requires_grad_() for value in leaves]
    samples = samples_of(origins, directions)
    assert len(samples) > 0
    cones = torch.rand(r, generator=torch.Generator().manual_seed(2)) * 1e-2
    placed = place_samples(origins, directions, samples, **FRAME, contract=contract, cone_radius=cones)
    exactly = {**FRAME, "contract": contract, "cone_radius": cones.double()}
    expected = place_samples_reference(truths[0], truths[1], samples, **exactly)
    cotangent = torch.randn(len(samples), 3, generator=torch.Generator().manual_seed(3))
    placed.positions.backward(cotangent)
    expected.positions.backward(cotangent.double())
    assert relative_error(placed.positions, expected.positions) < 1e-6
    assert relative_error(placed.sigmas, expected.sigmas) < 1e-5
    for value, truth in zip(leaves, truths, strict=True):
        assert relative_error(value.grad, truth.grad) < 1e-5


def test_contraction_keeps_the_ball_and_holds_all_of_space():
    directions = torch.nn.functional.normalize(torch.randn(50, 3), dim=1)
    distance = torch.logspace(-2, 6, 50)
    samples = Samples(torch.arange(51), torch.arange(50).int(), distance, distance, 50)
    origins = torch.tensor([FRAME["center"]]).expand(50, 3)
    positions = place_samples(origins, directions, samples, **FRAME, contract=True).positions
    radius = (positions - 0.5).norm(dim=1) * 4
    inside = distance <= FRAME["radius"]
    torch.testing.assert_close(radius[inside], distance[inside] / FRAME["radius"], rtol=1e-4, atol=1e-5)
    assert (radius.diff() > -1e-6).all()
    assert radius.max() <= 2


@pytest.mark.parametrize("contract", [False, True])
def test_widths_shrink_as_distances_do(contract):
    # The cube root of the map's determinant, by finite differences in double.
    origins, directions = rays(40)
    samples = samples_of(origins, directions)
    cones = torch.ones(40)
    sigmas = place_samples(origins, directions, samples, **FRAME, contract=contract, cone_radius=cones).sigmas
    assert sigmas is not None
    for sample in range(0, len(samples), max(len(samples) // 20, 1)):
        point = origins[samples.rays[sample]].double()
        mid = samples.mid[sample : sample + 1].double()
        one = Samples(torch.tensor([0, 1]), torch.zeros(1).int(), mid, mid, 1)

        def to_cube(point: Tensor, one: Samples = one, sample: int = sample) -> Tensor:
            towards = directions[samples.rays[sample]].double()[None]
            return place_samples_reference(point[None], towards, one, **FRAME, contract=contract).positions[0]

        jacobian = torch.autograd.functional.jacobian(to_cube, point)
        expected = torch.linalg.det(torch.as_tensor(jacobian)).abs() ** (1 / 3) * one.mid[0]
        assert abs(sigmas[sample] - expected) < 1e-4 * expected


def test_a_gradient_in_the_cones_is_refused():
    origins, directions = rays(2)
    samples = samples_of(origins, directions)
    with pytest.raises(NotImplementedError, match="width"):
        place_samples(
            *(origins, directions, samples), **FRAME, contract=True, cone_radius=torch.ones(2, requires_grad=True)
        )


@pytest.mark.parametrize("r", [0, 1, 100])
def test_directions_match_the_reference_in_double(isa, r):
    directions = rays(r)[1].requires_grad_()
    truth = directions.detach().double().requires_grad_()
    cotangent = torch.randn(r, 16, generator=torch.Generator().manual_seed(4))
    basis, expected = encode_directions(directions), encode_directions_reference(truth)
    basis.backward(cotangent)
    expected.backward(cotangent.double())
    assert relative_error(basis, expected) < 1e-6
    assert relative_error(directions.grad, truth.grad) < 1e-6


def test_directions_reference_passes_gradcheck():
    directions = rays(5)[1].double().requires_grad_()
    assert torch.autograd.gradcheck(encode_directions_reference, (directions,))
