"""Which way up splats are: turns into the frames of other programs, and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from splat_files import angles, likely_gaussians

from recon.geometry import rotation_from_quaternion
from recon.io.frames import FRAMES, FrameName, axes_of, level, up_of
from recon.io.splats.turning import placed, turned
from recon.ops.splat_reference import sh_basis
from recon.types import Gaussians


@pytest.mark.parametrize("frame", FRAMES)
def test_a_turn_and_its_inverse_change_nothing(frame: FrameName) -> None:
    gaussians = likely_gaussians(50)
    there = turned(gaussians, axes_of(frame))
    back = turned(there, axes_of(frame).T)
    torch.testing.assert_close(back.means, gaussians.means, atol=1e-6, rtol=0)
    torch.testing.assert_close(back.sh, gaussians.sh, atol=1e-6, rtol=0)
    assert float(angles(back.quats, gaussians.quats).max()) < 1e-5


@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_colours_are_seen_from_turned_directions(mirrored: bool) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn = turn * np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    gaussians = likely_gaussians(20)
    towards = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(5)), dim=-1)
    before = (sh_basis(3, towards)[..., None] * gaussians.sh).sum(dim=1)
    after = turned(gaussians, turn)
    seen = (sh_basis(3, towards @ torch.from_numpy(turn).float().T)[..., None] * after.sh).sum(dim=1)
    torch.testing.assert_close(seen, before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_ellipsoids_lie_where_the_turn_puts_them(mirrored: bool) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    turn = turn * np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    gaussians = likely_gaussians(30)

    def covariances(these: Gaussians) -> np.ndarray:
        axes = rotation_from_quaternion(these.quats.double().numpy()) * these.log_scales.double().exp().numpy()[:, None]
        return axes @ axes.swapaxes(1, 2)

    expected = turn @ covariances(gaussians) @ turn.T
    np.testing.assert_allclose(covariances(turned(gaussians, turn)), expected, atol=1e-6)


def test_up_ends_up_where_each_program_looks_for_it() -> None:
    ups = {"colmap": (0, -1, 0), "opengl": (0, 1, 0), "unity": (0, 1, 0), "unreal": (0, 0, 1), "blender": (0, 0, 1)}
    left_handed = {"unity", "unreal"}
    for frame in FRAMES:
        assert up_of(frame).tolist() == list(ups[frame])
        assert np.linalg.det(axes_of(frame)) == pytest.approx(-1 if frame in left_handed else 1)


def test_worlds_of_known_up_are_levelled_by_the_shortest_turn() -> None:
    np.testing.assert_allclose(level(np.array([0.0, -1.0, 0.0])), np.eye(3), atol=0)
    np.testing.assert_allclose(level(np.array([0.0, 1.0, 0.0])), axes_of("opengl").T, atol=0)
    np.testing.assert_allclose(level(np.array([0.0, 0.0, 1.0])), axes_of("blender").T, atol=0)
    np.testing.assert_allclose(level(np.array([0.02, 0.03, 2.0])), axes_of("blender").T, atol=0)  # nearly an axis
    tilted = np.array([0.3, -0.8, 0.4])
    np.testing.assert_allclose(level(tilted) @ tilted, [0, -float(np.linalg.norm(tilted)), 0], atol=1e-12)


def test_placing_scales_and_shifts_without_touching_the_rest() -> None:
    gaussians = likely_gaussians(10)
    moved = placed(gaussians, np.array([[2.0, 0, 0, 5], [0, 2, 0, 0], [0, 0, 2, -1], [0, 0, 0, 1]]))
    torch.testing.assert_close(moved.means, gaussians.means * 2 + torch.tensor([5.0, 0, -1]))
    torch.testing.assert_close(moved.log_scales, gaussians.log_scales + np.log(2).astype(np.float32))
    assert torch.equal(moved.quats, gaussians.quats)
    assert torch.equal(moved.sh, gaussians.sh)
