"""Where a field takes the scene to be empty."""

from dataclasses import replace

import torch
from painted_ball import RADIUS, ball_scene

from recon.models.nerf.occupancy import Occupancy
from recon.models.rays.bounds import Bounds, choose_bounds
from recon.ops.march import march


def test_what_photos_show_to_be_empty_is_never_looked_at():
    ball = ball_scene()
    bounds = choose_bounds(ball, "auto", near=0.05)
    whole, cut = (Occupancy(bounds, cells=32, step=0.01) for _ in range(2))
    whole.carve(replace(ball, transparent=False), near=0.05)
    cut.carve(ball, near=0.05)
    assert cut.share < whole.share - 0.05
    side = 2 * bounds.radius / 32
    centers = (torch.stack(torch.meshgrid(*3 * [torch.arange(32)], indexing="ij"), dim=-1) + 0.5) * side - bounds.radius
    inside = (centers + torch.tensor(bounds.center)).norm(dim=-1) < RADIUS
    assert bool(cut.cubes.occupied[0][inside].all())


def test_cells_in_which_nothing_is_seen_are_left_out_until_something_is():
    occupancy = Occupancy(Bounds((0.1, 0.0, -0.2), 0.5, contract=True), cells=8, step=0.01)
    for step in range(64, 64 + 16 * 40, 16):
        occupancy.update(step, lambda points: torch.full((len(points),), 100.0), seed=0)
        occupancy.mark(torch.tensor([[0.2, 0.1, 0.0]]))
    assert bool(occupancy.everything.occupied.all())
    assert int(occupancy.cubes.occupied.sum()) == 1
    far = torch.tensor([[5.003, 0.0, 0.0], [-3.0, 1.0, 0.0]])
    occupancy.mark(far)
    directions = torch.nn.functional.normalize(far, dim=-1)
    found = march(torch.zeros(2, 3), directions, occupancy.cubes, step=0.01, max_samples=5000)
    assert bool(
        ((found.t0[None] < far.norm(dim=-1)[:, None]) & (far.norm(dim=-1)[:, None] < found.t1[None])).any(1).all()
    )
