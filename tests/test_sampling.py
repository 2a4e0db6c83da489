"""Which photo comes next, and how it is made smaller."""

from dataclasses import dataclass, replace

import pytest
import torch
from room import InMemory

from recon.errors import RunError
from recon.sampling import PixelSampler, Sampler, shrink
from recon.types import Batch, Cameras, Picture


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


# --- Pixels ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Drawn:
    """A batch of pixels, all of its parts there."""

    cameras: Cameras
    indices: tuple[int, ...]
    rgb: torch.Tensor
    pixels: torch.Tensor
    camera_of: torch.Tensor
    alpha: torch.Tensor
    mask: torch.Tensor

    @property
    def width(self) -> torch.Tensor:
        """Of the photo of each pixel."""
        return self.cameras.width[self.camera_of]


def drawn(sampler: PixelSampler, count: int) -> Drawn:
    batch = sampler.draw(pixels=count)
    assert batch.pixels is not None
    assert batch.camera_of is not None
    full = torch.full((count,), 255, dtype=torch.uint8)
    alpha, mask = (full if plane is None else plane for plane in (batch.alpha, batch.mask))
    return Drawn(batch.cameras, batch.indices, batch.rgb, batch.pixels, batch.camera_of, alpha, mask)


def same(one: Batch, other: Batch) -> bool:
    parts = [(getattr(one, part), getattr(other, part)) for part in ("rgb", "pixels", "camera_of", "alpha", "mask")]
    return all(a is b if a is None or b is None else torch.equal(a, b) for a, b in parts)


def with_planes(scene, *, alpha=False, mask=False):
    """The scene whose left half is transparent or masked in every photo."""
    photos = []
    for index in range(len(scene)):
        plane = torch.full(scene.images[index].rgb.shape[:2], 255, dtype=torch.uint8)
        plane[:, : plane.shape[1] // 2] = 0
        photos.append(replace(scene.images[index], alpha=plane if alpha else None, mask=plane if mask else None))
    return replace(scene, images=InMemory(tuple(photos)))


def test_pixels_have_the_colours_of_their_places_in_the_photos(room):
    scene = room.scene(test=(0,))
    batch = drawn(PixelSampler(scene, seed=1), 512)
    for pixel, rgb, camera in zip(batch.pixels, batch.rgb, batch.camera_of, strict=True):
        view, width = batch.indices[int(camera)], int(batch.cameras.width[camera])
        assert view != 0
        picture = scene.images[view]
        if width < picture.rgb.shape[1]:
            picture = shrink(picture, width=width, height=int(batch.cameras.height[camera]))
        x, y = (pixel - 0.5).long().tolist()
        difference = (picture.rgb[y, x].int() - rgb.int()).abs().max()
        assert difference <= (0 if width == 64 else 1)  # levels: shrunk twice is rounded twice


def test_every_photo_is_drawn_from_and_most_pixels_are_of_full_size(room):
    scene = room.scene()
    batch = drawn(PixelSampler(scene, seed=1), 4096)
    assert {batch.indices[camera] for camera in batch.camera_of.tolist()} == set(scene.train)
    assert batch.pixels.shape == (4096, 2)
    assert 0.7 < (batch.width == 64).float().mean() < 0.9
    assert set(batch.width.tolist()) == {64, 32, 16}  # never under a few pixels


def test_cameras_of_shrunk_photos_see_the_same(room):
    batch = drawn(PixelSampler(room.scene(), seed=1), 8)
    small = batch.cameras.width == 32
    torch.testing.assert_close(batch.cameras.focal[small], batch.cameras.focal[batch.cameras.width == 64] / 2)


def test_masked_pixels_are_never_drawn(room):
    scene = with_planes(room.scene(), mask=True)
    batch = drawn(PixelSampler(scene, seed=1), 2000)
    full = batch.width == 64
    assert float(batch.pixels[full, 0].min()) > 32
    assert int(batch.mask.min()) > 0


def test_masks_that_ignore_everything_are_an_error_with_advice(room):
    scene = room.scene()
    nothing = torch.zeros(48, 64, dtype=torch.uint8)
    photos = tuple(replace(scene.images[index], mask=nothing) for index in range(len(scene)))
    with pytest.raises(RunError, match="ignore every pixel"):
        PixelSampler(replace(scene, images=InMemory(photos)), seed=0).draw(pixels=8)


def test_alpha_comes_with_the_pixels(room):
    batch = drawn(PixelSampler(with_planes(room.scene(), alpha=True), seed=1), 500)
    full = batch.width == 64
    assert torch.equal(batch.alpha[full] == 255, batch.pixels[full, 0] > 32)


@pytest.mark.parametrize("memory", [1 << 30, 6 * 64 * 48 * 2], ids=["all in memory", "two photos in memory"])
def test_a_loaded_pixel_sampler_goes_on_with_the_same_pixels(room, memory, monkeypatch):
    monkeypatch.setattr("recon.sampling.pixels._STAY", 3)
    scene = room.scene()
    whole = PixelSampler(scene, seed=1, memory=memory)
    first = PixelSampler(scene, seed=1, memory=memory)
    expected = [whole.draw(pixels=64) for _ in range(25)]
    for _ in range(7):
        first.draw(pixels=64)
    other = PixelSampler(scene, seed=99, memory=memory)
    other.load_state_dict(first.state_dict())
    assert all(same(other.draw(pixels=64), batch) for batch in expected[7:])


def test_photos_that_do_not_fit_into_memory_take_turns(room, monkeypatch):
    monkeypatch.setattr("recon.sampling.pixels._STAY", 2)
    scene = room.scene()
    sampler = PixelSampler(scene, seed=1, memory=6 * 64 * 48 * 2)
    seen = []
    for _ in range(3):
        batches = [drawn(sampler, 64) for _ in range(2)]
        seen.append({batch.indices[camera] for batch in batches for camera in batch.camera_of.tolist()})
    assert [len(views) for views in seen] == [2, 2, 1]
    assert set.union(*seen) == set(scene.train)


def test_photos_of_different_sizes_are_drawn_from_alike(room):
    scene = room.scene(test=())
    tall = Picture(scene.images[0].rgb.permute(1, 0, 2).contiguous())
    photos = (tall, *(scene.images[index] for index in range(1, len(scene))))
    cameras = scene.cameras
    cameras = replace(cameras, width=cameras.width.clone(), height=cameras.height.clone())
    cameras.width[0], cameras.height[0] = 48, 64
    batch = drawn(PixelSampler(replace(scene, cameras=cameras, images=InMemory(photos)), seed=0), 4000)
    tall_ones = batch.width == 48
    assert tall_ones.any()
    assert float(batch.pixels[tall_ones, 1].max()) > 48
