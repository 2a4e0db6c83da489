"""Rotations, similarities, and what a set of cameras looks at."""

import numpy as np
import pytest

from recon import geometry as g


def some_rotations(n: int = 50) -> np.ndarray:
    return g.rotation_from_quaternion(np.random.default_rng(0).normal(size=(n, 4)))


def orbit(n: int, *, height: float, arc: float = 2 * np.pi) -> np.ndarray:
    up = np.array([0.0, 0.0, 1.0])
    angles = np.arange(n) / n * arc
    return np.stack([g.look_at(np.array([np.cos(a), np.sin(a), height]), np.zeros(3), up) for a in angles])


def test_quaternions_survive_the_way_through_matrices():
    quaternion = np.random.default_rng(0).normal(size=(50, 4))
    quaternion /= np.linalg.norm(quaternion, axis=1, keepdims=True)
    quaternion *= np.sign(quaternion[:, :1])
    np.testing.assert_allclose(
        g.quaternion_from_rotation(g.rotation_from_quaternion(quaternion)), quaternion, atol=1e-12
    )


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_turns_have_a_quaternion(axis):
    half_turn = -np.eye(3)
    half_turn[axis, axis] = 1
    expected = np.zeros(4)
    expected[axis + 1] = 1
    np.testing.assert_allclose(np.abs(g.quaternion_from_rotation(half_turn)), expected, atol=1e-12)


def test_rotations_are_right_handed():
    quarter_turn_about_z = g.rotation_from_quaternion(np.array([np.sqrt(0.5), 0, 0, np.sqrt(0.5)]))
    np.testing.assert_allclose(quarter_turn_about_z @ [1, 0, 0], [0, 1, 0], atol=1e-12)


def test_inverse_similarity_undoes_it():
    b_from_a = g.similarity(2.5, some_rotations(1)[0], np.array([1.0, -2.0, 3.0]))
    np.testing.assert_allclose(g.invert_similarity(b_from_a) @ b_from_a, np.eye(4), atol=1e-12)
    assert g.scale_of(b_from_a) == pytest.approx(2.5)


def test_look_at_puts_the_target_ahead_and_up_above():
    position, target, up = np.array([3.0, 1.0, 2.0]), np.array([0.0, 0.5, -1.0]), np.array([0.0, 0.0, 1.0])
    cam_from_world = g.look_at(position, target, up)
    seen, above = g.transform_points(cam_from_world, np.stack([target, target + 0.1 * up]))
    np.testing.assert_allclose(seen, np.array([0, 0, np.linalg.norm(target - position)]), atol=1e-12)
    assert above[1] < 0  # camera y points down
    np.testing.assert_allclose(g.camera_positions(cam_from_world), position, atol=1e-12)


def test_looking_straight_down_is_possible():
    cam_from_world = g.look_at(np.array([0.0, 0.0, 2.0]), np.zeros(3), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(cam_from_world[:3, :3] @ cam_from_world[:3, :3].T, np.eye(3), atol=1e-12)


def test_cameras_of_an_orbit_focus_on_its_middle_despite_strays():
    cameras = orbit(20, height=0.5)
    astray = g.look_at(np.array([1.0, 0, 0]), np.array([1.0, 9.0, 4.0]), np.array([0, 0, 1.0]))
    point = g.focus_point(np.concatenate([cameras, astray[None]]))
    assert point is not None
    assert np.linalg.norm(point) < 0.02


def test_parallel_and_outward_cameras_have_no_focus():
    parallel = np.stack([g.similarity(1.0, None, np.array([x, 0.0, 0.0])) for x in range(5)])
    assert g.focus_point(parallel) is None
    outward = orbit(8, height=0.0)
    outward[:, [0, 2]] *= -1  # turn each around by half a turn about its own y
    assert g.focus_point(outward) is None


@pytest.mark.parametrize("arc", [2 * np.pi, 0.5 * np.pi])
def test_up_is_vertical_although_all_cameras_look_down(arc):
    assert g.average_up(orbit(12, height=1.0, arc=arc)) @ [0, 0, 1] > 0.999


def test_up_is_vertical_although_some_photos_are_turned():
    cameras = orbit(12, height=0.3)
    quarter = np.eye(4)
    quarter[:2, :2] = [[0, -1], [1, 0]]
    cameras[::3] = quarter @ cameras[::3]
    assert g.average_up(cameras) @ [0, 0, 1] > 0.999


def test_forward_facing_cameras_use_their_own_up():
    camera = g.look_at(np.array([2.0, 0, 0]), np.zeros(3), np.array([0, 0, 1.0]))
    np.testing.assert_allclose(g.average_up(np.stack([camera] * 4)), [0, 0, 1], atol=1e-6)
