"""Scores that can be worked out by hand."""

from dataclasses import replace

import pytest
import torch
from room import InMemory

from recon.evaluation import evaluate, psnr_of_flat_colour
from recon.likeness import psnr, ssim
from recon.types import Cameras, Picture, Render, Scene


class Painted:
    """A renderer that shows the photos themselves, changed."""

    def __init__(self, scene: Scene, change=lambda rgb: rgb, alpha: float = 1.0) -> None:
        self.scene, self.change, self.alpha = scene, change, alpha

    def render(self, cameras: Cameras, pixels=None) -> Render:
        positions = self.scene.cameras.position
        index = int((positions - cameras.position).norm(dim=-1).argmin())
        rgb = self.change(self.scene.images[index].rgb.float() / 255)
        return Render(rgb * self.alpha, torch.full(rgb.shape[:2], self.alpha))


def with_pictures(scene: Scene, change) -> Scene:
    pictures = tuple(change(scene.images[index]) for index in range(len(scene)))
    return replace(scene, images=InMemory(pictures))


def test_a_tenth_off_everywhere_is_twenty_decibels():
    image = torch.full((20, 30, 3), 0.5)
    assert psnr(image, image + 0.1) == pytest.approx(20.0, abs=1e-4)


def test_equal_images_score_best():
    image = torch.rand(32, 32, 3)
    assert psnr(image, image) == 100.0
    assert ssim(image, image) == pytest.approx(1.0, abs=1e-6)


def test_pixels_without_weight_do_not_count():
    target = torch.rand(40, 40, 3, generator=torch.Generator().manual_seed(0))
    spoilt = target + 0.1
    spoilt[:, 20:] = 0.0
    weight = torch.zeros(40, 40)
    weight[:, :20] = 1.0
    assert psnr(spoilt, target, weight) == pytest.approx(20.0, abs=1e-4)
    only_left = target.clone()
    only_left[:, :20] += 0.1
    assert ssim(spoilt, target, weight) == pytest.approx(ssim(only_left, target, weight), abs=1e-6)
    assert ssim(spoilt, target, weight) > ssim(spoilt, target)


def test_means_are_over_photos(room):
    scene = room.scene(test=(0, 3))
    metrics = evaluate(Painted(scene, lambda rgb: rgb * 0.9), scene, scene.test)
    assert [view.name for view in metrics.views] == [scene.names[0], scene.names[3]]
    assert metrics.psnr == pytest.approx(sum(view.psnr for view in metrics.views) / 2)
    assert metrics.ssim == pytest.approx(sum(view.ssim for view in metrics.views) / 2)
    assert metrics.seconds_per_frame > 0


def test_the_photos_themselves_score_best(room):
    scene = room.scene(test=(1,))
    metrics = evaluate(Painted(scene), scene, scene.test)
    assert (metrics.psnr, round(metrics.ssim, 5)) == (100.0, 1.0)


def test_nothing_held_out_scores_nothing(room):
    scene = room.scene(test=())
    metrics = evaluate(Painted(scene), scene, scene.test)
    assert metrics.views == ()
    assert metrics.psnr != metrics.psnr  # not a number


def test_transparent_photos_are_compared_over_white(room):
    half = torch.full((48, 64), 51, dtype=torch.uint8)  # a fifth covered
    scene = with_pictures(room.scene(test=(0,)), lambda picture: replace(picture, alpha=half))
    assert evaluate(Painted(scene, alpha=0.2), scene, (0,)).psnr > 99
    assert evaluate(Painted(scene, alpha=1.0), scene, (0,)).psnr < 20


def test_opaque_photos_are_compared_over_black(room):
    scene = room.scene(test=(0,))
    dark = with_pictures(scene, lambda picture: Picture((picture.rgb.float() / 2).to(torch.uint8)))
    assert evaluate(Painted(scene, alpha=0.5), dark, (0,)).psnr > 40


def test_colours_beyond_white_count_as_white(room):
    scene = with_pictures(room.scene(test=(0,)), lambda picture: Picture(torch.full_like(picture.rgb, 255)))
    assert evaluate(Painted(scene, lambda rgb: rgb + 3), scene, (0,)).psnr == 100.0


def test_one_flat_colour_scores_what_its_distance_from_the_photo_is_worth(room):
    chequered = torch.zeros(48, 64, 3, dtype=torch.uint8)
    chequered[::2] = 255  # half a unit from grey everywhere
    scene = with_pictures(room.scene(test=(0,)), lambda _: Picture(chequered))
    assert psnr_of_flat_colour(scene, (0,)) == pytest.approx(6.0206, abs=1e-3)
    one_row = torch.zeros(48, 64, dtype=torch.uint8)
    one_row[0] = 255
    masked = with_pictures(scene, lambda picture: replace(picture, mask=one_row))
    assert psnr_of_flat_colour(masked, (0,)) == 100.0


def test_a_flat_picture_of_a_view_is_measured_as_a_render_is(room):
    scene = room.scene(test=(0, 3))
    flat = Painted(scene, lambda rgb: rgb.mean(dim=(0, 1)).expand_as(rgb))
    assert psnr_of_flat_colour(scene, scene.test) == pytest.approx(evaluate(flat, scene, scene.test).psnr, abs=1e-3)
