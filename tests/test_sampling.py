"""Which photo comes next, and how it is made smaller."""

import pytest
import torch

from recon.sampling import Sampler, shrink
from recon.types import Picture


def draws(sampler, count):
    return [sampler.draw().indices[0] for _ in range(count)]


def test_every_training_view_comes_once_an_epoch(room):
    sampler = Sampler(room.scene(test=(0,)), seed=3)
    epochs = [draws(sampler, 5) for _ in range(4)]
    assert all(sorted(epoch) == [1, 2, 3, 4, 5] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_the_same_seed_gives_the_same_order(room):
    scene = room.scene()
    assert draws(Sampler(scene, seed=1), 20) == draws(Sampler(scene, seed=1), 20)
    assert draws(Sampler(scene, seed=1), 20) != draws(Sampler(scene, seed=2), 20)


def test_a_loaded_sampler_goes_on_in_the_same_order(room):
    scene = room.scene()
    sampler = Sampler(scene, seed=1)
    draws(sampler, 7)
    other = Sampler(scene, seed=99)
    other.load_state_dict(sampler.state_dict())
    assert draws(other, 20) == draws(sampler, 20)


def test_small_photos_come_with_small_cameras(room):
    scene = room.scene()
    full, small = Sampler(scene, seed=0).view(2), Sampler(scene, seed=0).view(2, 0.75)
    assert (small.cameras.width, small.cameras.height) == (48, 36)
    assert small.rgb.shape == (36, 48, 3)
    torch.testing.assert_close(small.cameras.focal, full.cameras.focal * 0.75)
    assert torch.equal(small.cameras.cam_from_world, full.cameras.cam_from_world)


def test_photos_are_never_shrunk_below_what_ssim_needs(room):
    assert Sampler(room.scene(), seed=0).view(1, 0.01).rgb.shape == (36, 48, 3)


def test_a_change_of_scale_changes_the_pictures_back_and_forth(room):
    sampler = Sampler(room.scene(), seed=0)
    full = sampler.view(1).rgb
    assert sampler.view(1, 0.75).rgb.shape != full.shape
    assert torch.equal(sampler.view(1).rgb, full)


def test_pictures_that_are_not_kept_are_the_same(room):
    scene = room.scene()
    forgetful = Sampler(scene, seed=0, memory=0)
    assert forgetful.view(1) is not forgetful.view(1)
    assert torch.equal(forgetful.view(1, 0.75).rgb, Sampler(scene, seed=0).view(1, 0.75).rgb)


def test_pictures_are_planar_in_memory(room):
    assert Sampler(room.scene(), seed=0).draw(0.75).rgb.permute(2, 0, 1).is_contiguous()


@pytest.mark.parametrize(("width", "height"), [(8, 6), (5, 4), (16, 12)])
def test_shrinking_keeps_the_mean_brightness(width, height):
    rgb = torch.randint(0, 256, (12, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    small = shrink(Picture(rgb), width=width, height=height)
    assert small.rgb.shape == (height, width, 3)
    # Uneven sizes count some pixels twice: random photos differ by a few levels then.
    assert abs(small.rgb.float().mean() - rgb.float().mean()) < (1 if 16 % width == 0 and 12 % height == 0 else 8)


def test_each_small_pixel_is_the_mean_of_what_it_covers():
    rgb = torch.zeros(2, 4, 3, dtype=torch.uint8)
    rgb[:, :2] = torch.tensor([100, 0, 0], dtype=torch.uint8)
    rgb[0, 2:] = 200
    assert shrink(Picture(rgb), width=2, height=1).rgb.tolist() == [[[100, 0, 0], [100, 100, 100]]]


def test_transparent_pixels_do_not_tint_their_neighbours():
    rgb = torch.tensor([[[200, 100, 50], [0, 255, 0]]], dtype=torch.uint8)
    alpha = torch.tensor([[255, 0]], dtype=torch.uint8)
    small = shrink(Picture(rgb, alpha=alpha), width=1, height=1)
    assert small.rgb.tolist() == [[[200, 100, 50]]]
    assert small.alpha is not None
    assert small.alpha.tolist() == [[128]]
