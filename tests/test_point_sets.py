"""Farthest points and balls, against brute force in double precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from recon.ops.point_sets import ball_query, ball_query_reference, farthest_points, farthest_points_reference


def clouds(b: int, n: int, seed: int = 0) -> Tensor:
    return torch.randn(b, n, 3, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("b", "n", "count"), [(1, 1, 1), (3, 7, 7), (2, 100, 33), (2, 700, 40)])
def test_farthest_points_are_those_of_brute_force(isa, b, n, count):
    points = clouds(b, n)
    assert torch.equal(farthest_points(points, count), farthest_points_reference(points.double(), count))


def test_each_chosen_point_is_the_farthest_from_those_before_it(isa):
    points = clouds(1, 300)[0].double()
    chosen = farthest_points(points[None].float(), 50)[0]
    for place in range(1, 50):
        nearest = torch.cdist(points, points[chosen[:place]]).amin(dim=1)
        assert nearest[chosen[place]] >= nearest.max() - 1e-6  # rounding of squared distances of up to 30


def test_the_places_chosen_do_not_depend_on_the_order_of_the_points(isa):
    points = clouds(1, 200)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(1))
    first, second = (cloud[0, farthest_points(cloud, 20)[0]] for cloud in (points, points[:, order]))
    assert torch.equal(first, second)


def test_among_points_equally_far_the_first_is_chosen(isa):
    corners = torch.cartesian_prod(*3 * [torch.tensor([-1.0, 1.0])])[None]
    assert farthest_points(corners, 2).tolist() == [[0, 7]]
    assert farthest_points(torch.zeros(1, 40, 3), 3).tolist() == [[0, 0, 0]]


def test_more_points_than_there_are_cannot_be_chosen():
    with pytest.raises(ValueError, match="9 points were asked of clouds of 8"):
        farthest_points(clouds(1, 8), 9)


@pytest.mark.parametrize(("n", "count"), [(1, 1), (5, 9), (100, 8), (400, 32)])
@pytest.mark.parametrize("radius", [0.01, 0.5, 2.0, 100.0])
def test_balls_hold_the_points_of_brute_force(isa, n, count, radius):
    points, centers = clouds(2, n), clouds(2, 11, seed=1)
    found = ball_query(centers, points, radius=radius, count=count)
    assert torch.equal(found, ball_query_reference(centers.double(), points.double(), radius=radius, count=count))


def test_a_ball_with_fewer_points_repeats_its_first(isa):
    points = torch.tensor([[[0.0, 0, 0], [5, 0, 0], [5.1, 0, 0], [9, 0, 0]]])
    centers = torch.tensor([[[5.0, 0, 0], [20.0, 0, 0]]])
    found = ball_query(centers, points, radius=1.0, count=4)
    assert found.tolist() == [[[1, 2, 1, 1], [3, 3, 3, 3]]]


def test_results_do_not_depend_on_the_number_of_threads(set_threads):
    points = clouds(5, 300)
    answers = []
    for threads in (1, 2, 3):
        set_threads(threads)
        chosen = farthest_points(points, 64)
        centers = points.gather(1, chosen[:, :, None].expand(-1, -1, 3))
        answers.append((chosen, ball_query(centers, points, radius=0.4, count=16)))
    for chosen, inside in answers[1:]:
        assert torch.equal(chosen, answers[0][0])
        assert torch.equal(inside, answers[0][1])
