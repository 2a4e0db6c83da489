"""Rays, and the part of the world that a field fills."""

import pytest
import torch
from painted_ball import RADIUS, ball_scene

from recon.models.rays.bounds import Bounds, choose_bounds
from recon.models.rays.cast import cast, pixel_centers
from recon.types import Scene


@pytest.fixture(scope="module")
def ball() -> Scene:
    return ball_scene()


def test_rays_go_through_their_pixels(ball):
    camera = ball.cameras[4]
    rays = cast(camera, pixel_centers(camera))
    points = rays.origins + 2.5 * rays.directions
    seen = points @ camera.cam_from_world[:3, :3].T + camera.cam_from_world[:3, 3]
    back = seen[:, :2] / seen[:, 2:] * camera.focal + camera.center
    torch.testing.assert_close(back, pixel_centers(camera), atol=1e-3, rtol=0)
    torch.testing.assert_close(seen[:, 2], 2.5 * rays.forward)


def test_rays_of_a_picture_half_as_large_are_twice_as_wide(ball):
    camera = ball.cameras[0]
    middle = torch.tensor([[16.0, 16.0]])
    wide, narrow = cast(camera.resized(16), middle / 2), cast(camera, middle)
    torch.testing.assert_close(wide.width, 2 * narrow.width)


def test_photos_cut_out_give_a_cube_around_the_points(ball):
    bounds = choose_bounds(ball, "auto", near=0.05)
    assert not bounds.contract
    assert RADIUS < bounds.radius < 1.3 * RADIUS
    assert choose_bounds(ball, "unbounded", near=0.05).contract


def test_bounds_come_back_from_their_numbers():
    bounds = Bounds((0.1, -2.5, 3.0), 0.7, contract=True)
    assert Bounds.from_numbers(bounds.numbers()) == bounds
