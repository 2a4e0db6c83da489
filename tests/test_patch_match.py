"""PatchMatch against its reference, and what a sweep may and may not do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from jaxtyping import Float
from room import Room, make_room
from torch import Tensor

from recon.ops.patch_match import Compared, PatchTerms, Trial, compared, match_costs, match_costs_reference, match_sweep

VIEW, OTHERS = 1, (0, 2, 3)


@pytest.fixture(scope="module")
def room() -> Room:
    """The room from cameras ten degrees apart."""
    return make_room(views=36, width=48, height=36)


@pytest.mark.parametrize("with_depths", [False, True])
@pytest.mark.parametrize("terms", [PatchTerms(), PatchTerms(radius=3, step=1, best=1), PatchTerms(radius=1, best=4)])
def test_costs_match_their_reference(isa: str, room: Room, terms: PatchTerms, with_depths: bool) -> None:
    photos = _photos(room, with_depths=with_depths)
    planes = _random_planes(photos)
    difference = (match_costs(photos, planes, terms) - match_costs_reference(photos, planes, terms)).abs()
    assert float(difference.median()) < 1e-4
    # A position that rounds to another pixel of another surface, or past the border, costs otherwise.
    assert float((difference > 1e-2).float().mean()) < 0.01


def test_the_true_depth_costs_least(room: Room) -> None:
    photos = _photos(room)
    truth = _true_planes(room)
    right = match_costs(photos, truth, PatchTerms())
    for factor in (0.8, 0.9, 1.1, 1.25):
        assert (
            float((match_costs(photos, truth * factor, PatchTerms()) < right - 0.05).float().mean()) < 0.15
        )  # at edges


def test_a_surface_that_others_confirm_costs_no_miss(room: Room) -> None:
    terms = PatchTerms(agreement=10.0)
    alone, confirmed = _photos(room), _photos(room, with_depths=True)
    truth = _true_planes(room)
    more = match_costs(confirmed, truth, terms) - match_costs(alone, truth, terms)
    assert float(more.median()) < 1.0  # half a pixel, at 10 each: depth there is that of the nearest pixel
    assert float((match_costs(confirmed, truth * 1.2, terms) - match_costs(alone, truth * 1.2, terms)).median()) > 10


def test_sweeps_lower_every_cost_and_find_the_surface(isa: str, room: Room) -> None:
    photos = _photos(room)
    planes = _random_planes(photos)
    costs = match_costs(photos, planes, PatchTerms())
    for sweep in range(6):
        before = costs.clone()
        match_sweep(photos, planes, costs, PatchTerms(), _trial(sweep))
        assert bool((costs <= before).all())
    assert bool((planes[0] >= photos.low).all() & (planes[0] <= photos.high).all())
    torch.testing.assert_close(costs, match_costs(photos, planes, PatchTerms()), rtol=0, atol=1e-5)
    error = (planes[0] * torch.from_numpy(room.depth[VIEW]) - 1).abs()
    assert float((error < 0.05).float().mean()) > 0.4  # a random plane: 0.07. Tiles are even inside


def test_a_sweep_is_the_same_for_any_number_of_threads(room: Room, set_threads: Callable[[int], None]) -> None:
    results = []
    for threads in (1, 3):
        set_threads(threads)
        photos = _photos(room)
        planes = _random_planes(photos)
        costs = match_costs(photos, planes, PatchTerms())
        match_sweep(photos, planes, costs, PatchTerms(), _trial(0))
        results.append((planes, costs))
    assert torch.equal(results[0][0], results[1][0])
    assert torch.equal(results[0][1], results[1][1])


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 3), (17, 34)])
def test_photos_of_any_size_are_swept(isa: str, room: Room, size: tuple[int, int]) -> None:
    height, width = size
    whole = _photos(room)
    photos = Compared(whole.gray[:height, :width].contiguous(), *(getattr(whole, name) for name in _REST))
    planes = _random_planes(photos)
    costs = match_costs(photos, planes, PatchTerms())
    before = costs.clone()
    match_sweep(photos, planes, costs, PatchTerms(), _trial(0))
    assert bool((costs <= before).all())
    if height * width > 3:  # fewer pixels have no texture
        assert float(costs.sum()) < float(before.sum())


_REST = ("quads", "depths", "maps", "sizes", "focal", "low", "high")


def _trial(sweep: int) -> Trial:
    return Trial(depth_change=0.2 * 0.5**sweep, slope_change=0.5**sweep, thorough=True, seed=3, sweep=sweep)


def _photos(room: Room, *, with_depths: bool = False) -> Compared:
    gray = torch.from_numpy(room.rgb).float().mean(dim=-1).round().byte()
    depths = [1 / torch.from_numpy(room.depth[k]) for k in OTHERS] if with_depths else None
    others = [(room.cameras[k], gray[k]) for k in OTHERS]
    return compared(room.cameras[VIEW], gray[VIEW], others, low=0.2, high=1.2, depths=depths)


def _random_planes(photos: Compared) -> Float[Tensor, "3 h w"]:
    generator = torch.Generator().manual_seed(5)
    planes = torch.rand(3, *photos.gray.shape, generator=generator)
    planes[0] = photos.low + (photos.high - photos.low) * planes[0]
    planes[1:] = (planes[1:] - 0.5) / photos.focal
    return planes


def _true_planes(room: Room) -> Float[Tensor, "3 h w"]:
    inverse = 1 / torch.from_numpy(room.depth[VIEW])
    across, down = torch.zeros_like(inverse), torch.zeros_like(inverse)
    across[:, 1:-1] = (inverse[:, 2:] - inverse[:, :-2]) / 2
    down[1:-1] = (inverse[2:] - inverse[:-2]) / 2
    return torch.stack([inverse, across, down])
