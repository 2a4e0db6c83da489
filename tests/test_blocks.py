"""Packing keeps every Gaussian, and padding never shows."""

import pytest
import torch

from recon.ops.blocks import (
    LANES,
    append,
    blocks_from_rows,
    gather,
    invisible_row,
    morton_order,
    pack,
    planes_of,
    remove,
    rows,
    unpack,
    write,
)
from recon.types import Gaussians


def random_gaussians(count: int, *, degree: int = 2, seed: int = 0) -> Gaussians:
    generator = torch.Generator().manual_seed(seed)
    k = (degree + 1) ** 2
    return Gaussians(
        means=torch.randn(count, 3, generator=generator),
        quats=torch.randn(count, 4, generator=generator),
        log_scales=torch.randn(count, 3, generator=generator) - 3,
        opacity_logits=torch.randn(count, generator=generator),
        sh=torch.randn(count, k, 3, generator=generator),
    )


@pytest.mark.parametrize("count", [0, 1, 16, 257])
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_unpack_undoes_pack(count, degree):
    gaussians = random_gaussians(count, degree=degree)
    blocks = pack(gaussians)
    assert blocks.shape == (-(-count // LANES), planes_of(degree), LANES)
    again = unpack(blocks, count)
    for name in ("means", "quats", "log_scales", "opacity_logits", "sh"):
        assert torch.equal(getattr(again, name), getattr(gaussians, name)), name


def test_plane_order_is_the_one_the_kernels_read():
    gaussians = random_gaussians(18, degree=1)
    blocks = pack(gaussians)
    one = blocks[1, :, 1]  # Gaussian 17
    assert torch.equal(one[:3], gaussians.means[17])
    assert torch.equal(one[3:6], gaussians.log_scales[17])
    assert torch.equal(one[6:10], gaussians.quats[17])
    assert one[10] == gaussians.opacity_logits[17]
    assert torch.equal(one[11:14], gaussians.sh[17, 0])
    assert torch.equal(one[14:17], gaussians.sh[17, 1])


def test_lanes_after_the_last_gaussian_are_invisible():
    blocks = pack(random_gaussians(17))
    padding = rows(blocks, 32)[17:]
    assert torch.equal(padding, invisible_row(blocks.shape[1]).expand(15, -1))
    assert torch.sigmoid(padding[:, 10]).max() == 0


@pytest.mark.parametrize(("count", "more"), [(0, 3), (5, 11), (16, 1), (30, 40), (7, 0)])
def test_append_keeps_the_old_and_adds_the_new(count, more):
    old, new = random_gaussians(count, seed=1), random_gaussians(more, seed=2)
    blocks = append(pack(old), count, rows(pack(new), more), padding=invisible_row(planes_of(2)))
    both = unpack(blocks, count + more)
    assert torch.equal(both.means, torch.cat([old.means, new.means]))
    assert torch.equal(both.sh, torch.cat([old.sh, new.sh]))
    assert (rows(blocks, len(blocks) * LANES)[count + more :, 10] == -1e4).all()


def test_append_leaves_its_input_alone():
    blocks = pack(random_gaussians(5))
    before = blocks.clone()
    append(blocks, 5, torch.ones(2, blocks.shape[1]))
    assert torch.equal(blocks, before)


def test_remove_keeps_the_others_in_their_order():
    gaussians = random_gaussians(50)
    gone = torch.arange(50) % 3 == 0
    blocks = remove(pack(gaussians), gone, padding=invisible_row(planes_of(2)))
    assert len(blocks) == 3
    assert torch.equal(unpack(blocks, 33).means, gaussians.means[~gone])


def test_gather_and_write_are_inverse():
    blocks = pack(random_gaussians(40))
    before = blocks.clone()
    indices = torch.tensor([39, 0, 17, 16])
    taken = gather(blocks, indices)
    write(blocks, indices, torch.zeros(blocks.shape[1]))
    assert not torch.equal(blocks, before)
    write(blocks, indices, taken)
    assert torch.equal(blocks, before)


def test_no_gaussian_is_lost_in_morton_order():
    gaussians = random_gaussians(1000)
    order = morton_order(gaussians.means)
    assert torch.equal(order.sort().values, torch.arange(1000))
    sorted_rows = rows(blocks_from_rows(gather(pack(gaussians), order)), 1000)
    assert torch.equal(sorted_rows[:, :3], gaussians.means[order])


def test_morton_order_brings_neighbours_together():
    means = torch.rand(4096, 3, generator=torch.Generator().manual_seed(0))

    def block_size(points):
        boxes = points.reshape(-1, LANES, 3)
        return (boxes.amax(1) - boxes.amin(1)).norm(dim=-1).mean()

    assert block_size(means[morton_order(means)]) < 0.4 * block_size(means)


def test_one_far_point_does_not_spoil_the_order():
    means = torch.rand(2048, 3, generator=torch.Generator().manual_seed(0))
    far = torch.cat([means, torch.full((1, 3), 1e6)])
    sorted_means = far[morton_order(far)]
    near = sorted_means[sorted_means[:, 0] < 2][: 127 * LANES].reshape(-1, LANES, 3)
    assert (near.amax(1) - near.amin(1)).norm(dim=-1).mean() < 0.6
