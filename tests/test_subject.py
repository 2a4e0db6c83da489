"""What of a scene is looked at for things: what the cameras walk around."""

from __future__ import annotations

import numpy as np

from recon.geometry import look_at
from recon.priors.clouds.subject import around_the_subject

ANGLES = np.linspace(0, 2 * np.pi, 12, endpoint=False)
RING = np.stack([2 * np.cos(ANGLES), 2 * np.sin(ANGLES), np.full(12, 0.5)], axis=1)


def cameras(targets: np.ndarray) -> np.ndarray:
    return np.stack(
        [look_at(eye, target, np.array([0.0, 0.0, 1.0])) for eye, target in zip(RING, targets, strict=True)]
    )


def test_what_is_behind_the_cameras_is_left_out() -> None:
    things, walls = np.random.default_rng(0).normal(size=(500, 3)) * 0.3, RING.repeat(20, axis=0) * 5
    near = around_the_subject(np.concatenate([things, walls]), cameras(np.zeros((12, 3))))
    assert near[:500].all()
    assert not near[500:].any()


def test_photos_from_the_middle_of_a_room_outward_keep_the_room() -> None:
    walls = RING.repeat(20, axis=0) * 5
    assert around_the_subject(walls, cameras(RING * 5)).all()
