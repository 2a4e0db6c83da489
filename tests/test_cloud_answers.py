"""What does not change the answers of PointNet and PointNet++, and which clouds have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from cloud_networks import untrained
from shapes import box_cloud, pole_cloud

from recon.errors import InputError
from recon.priors.clouds import UNKNOWN
from recon.priors.clouds.facing import box_angle, turned_to_box
from recon.priors.clouds.networks import NETWORKS, NetworkName
from recon.priors.clouds.prepared import prepared

UP = np.array([0.0, 0.0, 1.0])


def turned(cloud: np.ndarray, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return cloud @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_do_not_depend_on_the_order_of_the_points(name: NetworkName) -> None:
    cloud = box_cloud((1, 2, 3), 700)
    order = np.random.default_rng(0).permutation(len(cloud))
    first, second = untrained(name).classify([cloud, cloud[order]])
    assert first == second


@pytest.mark.parametrize("name", NETWORKS)
def test_the_network_alone_does_not_depend_on_the_order_but_for_balls_that_overflow(name: NetworkName) -> None:
    """Of points as many as a ball holds: no choice is left to the order."""
    network = untrained(name).network
    points = torch.from_numpy(prepared(box_cloud((1, 2, 3), 64), up=UP, count=8))[None]
    order = torch.randperm(8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits, permuted = network(points).logits, network(points[:, order]).logits
    torch.testing.assert_close(logits, permuted, rtol=1e-4, atol=1e-4)  # sums of floats in another order


def test_answers_do_not_depend_on_place_and_size() -> None:
    cloud = box_cloud((1, 2, 3), 300)
    first, second = untrained().classify([cloud, cloud * 1024.0 + (4096.0, 0.0, -512.0)])
    assert first.scores["pole"] == pytest.approx(second.scores["pole"], abs=1e-3)  # the coordinates are rounded


def test_a_cloud_is_turned_to_the_sides_of_its_box() -> None:
    cloud = box_cloud((1, 2, 3), 2000)
    assert box_angle(cloud[:, :2]) == 0
    for degrees in (10, 45, 80):
        size = np.ptp(turned_to_box(turned(cloud, degrees)), axis=0)
        assert np.sort(size) == pytest.approx([1, 2, 3], abs=0.04)  # a degree of 2 is 0.035


def test_up_says_how_a_cloud_stands() -> None:
    cloud = pole_cloud()
    lying = cloud[:, [2, 1, 0]] * (1, 1, -1)  # a quarter turn about y
    standing, turned, wrong = (
        untrained(points=512).classify([points], up=np.array(up, dtype=float))[0].scores["pole"]
        for points, up in ((cloud, (0, 0, 1)), (lying, (1, 0, 0)), (lying, (0, 0, 1)))
    )
    assert turned == pytest.approx(standing, abs=1e-4)  # the sines of a quarter turn are rounded
    assert abs(wrong - standing) > 0.02


def test_more_points_than_the_network_sees_are_a_fair_sample() -> None:
    million = np.random.default_rng(0).normal(size=(1_000_000, 3)) * (1, 1, 3)
    seen = prepared(million, up=UP, count=512)
    assert seen.shape == (512, 3)
    assert np.linalg.norm(seen, axis=1).max() == pytest.approx(1)
    assert seen[:, 2].std() / seen[:, 0].std() == pytest.approx(3, rel=0.15)  # 512 points: 3 % of a deviation each


@pytest.mark.parametrize(
    ("points", "words"),
    [(np.zeros((3, 3)), "3 finite"), (np.ones((50, 3)), "one place"), (np.full((50, 3), np.nan), "0 finite")],
)
def test_clouds_without_a_shape_are_refused(points: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        untrained().classify([points])


def test_points_that_are_no_numbers_are_left_out() -> None:
    cloud = box_cloud((1, 2, 3), 300)
    spoilt = np.concatenate([cloud, [[np.nan, 0, 0], [0, np.inf, 0]]])
    first, second = untrained().classify([cloud, spoilt])
    assert first == second


def test_only_what_is_not_sure_from_one_side_is_looked_at_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def predict(network: torch.nn.Module, points: torch.Tensor, *, batch: int) -> torch.Tensor:
        asked.append(len(points))
        sure = points[:, :, 2].std(dim=1) > 0.5  # of poles, seen from the first side
        side = 0.95 if len(asked) == 1 else 0.6
        return torch.stack([torch.where(sure, side, 0.6), torch.where(sure, 1 - side, 0.4)], dim=1)

    monkeypatch.setattr("recon.priors.clouds.classifier.predict", predict)
    clouds = torch.from_numpy(
        np.stack([prepared(cloud, up=UP, count=128) for cloud in (pole_cloud(), box_cloud((2, 2, 1), 300))])
    )
    scores = untrained().scores(clouds)
    assert asked == [2, 1, 1, 1]
    assert scores[:, 0].tolist() == pytest.approx([0.95, 0.6])


def test_what_is_not_sure_is_unknown() -> None:
    answer = replace(untrained(), threshold=1.0).classify([pole_cloud()])[0]
    assert answer.label == UNKNOWN
    assert answer.confidence == max(answer.scores.values())


def test_a_full_memory_makes_smaller_batches_and_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    classifier = replace(untrained(), batch=8, note=said.append)
    clouds = [box_cloud((1, 2, 3), 200, seed) for seed in range(8)]
    expected = classifier.classify(clouds)
    forward = type(classifier.network).forward

    def greedy(network, points):
        if len(points) > 2:
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes.")
        return forward(network, points)

    monkeypatch.setattr(type(classifier.network), "forward", greedy)
    answers = classifier.classify(clouds)
    assert said == ["The memory is full: going on with 4 clouds at once."]
    for answer, truth in zip(answers, expected, strict=True):
        assert answer.scores == pytest.approx(truth.scores, abs=1e-5)  # other sizes of matrices round otherwise
