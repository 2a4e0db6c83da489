"""Photos found by what they show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from recon.io.photos import read_capture
from recon.retrieval import Vocabulary, nearest, pairs_of, rooted
from recon.sfm.features import find_features
from recon.sfm.job import Shot
from recon.sfm.pairs import choose_pairs, likely_pairs, similarity


def places(count: int, *, seed: int = 0) -> list[np.ndarray]:
    """Descriptors of `count` places, each of 60 things seen nowhere else and 60 seen everywhere; two photos a place."""
    rng = np.random.default_rng(seed)
    common = rng.random((60, 16))
    photos = []
    for _ in range(count):
        own = rng.random((60, 16))
        for _ in range(2):
            seen = np.concatenate([own, common]) + 0.02 * rng.standard_normal((120, 16))
            photos.append(rooted(np.abs(seen)))
    return photos


def test_two_photos_of_a_place_are_each_others_nearest() -> None:
    photos = places(20)
    vocabulary = Vocabulary.learn(photos, words=32)
    found, cosines = nearest(np.stack([vocabulary.describe(photo) for photo in photos]), 3)
    assert found[:, 0].tolist() == [index ^ 1 for index in range(40)]
    assert bool((np.diff(cosines, axis=1) <= 0).all())


def test_a_photo_without_descriptors_is_like_none() -> None:
    photos = [*places(2), np.zeros((0, 16), dtype=np.float32)]
    vocabulary = Vocabulary.learn(photos, words=8)
    vectors = np.stack([vocabulary.describe(photo) for photo in photos])
    assert bool((vectors[-1] == 0).all())
    np.testing.assert_allclose(np.linalg.norm(vectors[:-1], axis=1), 1, rtol=1e-5)


def test_a_vocabulary_has_no_more_words_than_there_are_things() -> None:
    assert len(Vocabulary.learn([np.ones((50, 4)), np.zeros((3, 4))], words=10).words) == 2


def test_the_same_seed_learns_the_same_words() -> None:
    first, second = (Vocabulary.learn(places(5), words=16, seed=3).words for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_pairs_are_those_of_the_nearest_and_each_stands_once() -> None:
    vectors = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert pairs_of(vectors, 1) == [(0, 1), (2, 3)]
    assert len(pairs_of(vectors, 9)) == 6


def test_likely_pairs_of_real_photos_hold_their_best_partners(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = read_capture(data / "fox" / "images").photos[::3]
    shots = tuple(Shot(p.name, p.path, p.width, p.height, p.focal, 1, None, p.name) for p in photos)
    features = find_features(shots, image_size=480, max_features=800, fine=False, threads=2, progress=lambda done: None)
    every = [(i, j) for i in range(len(shots)) for j in range(i + 1, len(shots))]
    scores = similarity(features, every, 2, lambda done: None)
    best = {(min(i, int(j)), max(i, int(j))) for i, row in enumerate(scores) for j in np.argsort(-row)[:2]}
    likely = likely_pairs(features, 6, 2)
    assert len(likely) < 0.7 * len(every)
    assert len(best & set(likely)) >= 0.9 * len(best)  # 6 of 16 others hold the 2 best of nearly all

    monkeypatch.setattr("recon.sfm.pairs._MANY", 10)
    monkeypatch.setattr("recon.sfm.pairs._FEW", 10)
    monkeypatch.setattr("recon.sfm.pairs._LIKELY", 6)
    chosen = choose_pairs(features, ordered=False, mode="auto", neighbours=2, threads=2, progress=lambda done: None)
    assert len(best & set(chosen)) >= 0.9 * len(best)
    assert len(chosen) < 0.7 * len(every)
