"""PointNet and PointNet++: what does not change their answers, how they train, and what is said of bad weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from shapes import CLASSES, box_cloud, labelled_file, pole_cloud

from recon.cli.main import main
from recon.errors import InputError, RunError
from recon.priors.clouds import UNKNOWN, CloudClassifier
from recon.priors.clouds.augmenting import augmented
from recon.priors.clouds.choosing import confidence_threshold, network_classifier
from recon.priors.clouds.classifier import NetworkClassifier
from recon.priors.clouds.keeping import Trained, train_in_folder
from recon.priors.clouds.labelled import LabelledClouds, read_labelled
from recon.priors.clouds.networks import NETWORKS, NetworkName, build_network
from recon.priors.clouds.prepared import prepared
from recon.priors.clouds.scoring import confusion
from recon.priors.clouds.training import CloudTraining, EpochReport, TrainingState, train

UP = np.array([0.0, 0.0, 1.0])
QUICK = CloudTraining(epochs=3, batch=8, points=64)


def untrained(name: NetworkName = "pointnet2", points: int = 128) -> NetworkClassifier:
    """With random weights, and statistics of random clouds: scores that differ from cloud to cloud."""
    torch.manual_seed(0)
    network = build_network(name, 2)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train()(torch.from_numpy(np.stack([box_cloud((1, 1 + i, 2), points, i) / 3 for i in range(8)])).float())
    return NetworkClassifier(network.eval(), CLASSES, points, 0.0)


def taught(
    folder: Path,
    clouds: LabelledClouds,
    network: NetworkName = "pointnet",
    config: CloudTraining = QUICK,
    *,
    resume: bool = False,
    start: Path | None = None,
    told: Callable[[EpochReport], None] = lambda _: None,
) -> Trained:
    return train_in_folder(
        folder, clouds, network, config, resume=resume, start=start, told=told, progress=lambda _: None
    )


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
    [(np.zeros((3, 3)), "3 points"), (np.ones((50, 3)), "one place"), (np.full((50, 3), np.nan), "0 points")],
)
def test_clouds_without_a_shape_are_refused(points: np.ndarray, words: str) -> None:
    with pytest.raises(InputError, match=words):
        untrained().classify([points])


def test_points_that_are_no_numbers_are_left_out() -> None:
    cloud = box_cloud((1, 2, 3), 300)
    spoilt = np.concatenate([cloud, [[np.nan, 0, 0], [0, np.inf, 0]]])
    first, second = untrained().classify([cloud, spoilt])
    assert first == second


def test_augmented_clouds_keep_their_up_axis_and_radius() -> None:
    poles = torch.from_numpy(np.stack([pole_cloud(400, seed) for seed in range(20)])).float()
    changed = augmented(poles, 256, torch.Generator().manual_seed(0))
    assert changed.shape == (20, 256, 3)
    torch.testing.assert_close(changed.norm(dim=2).amax(dim=1), torch.ones(20))
    size = changed.amax(dim=1) - changed.amin(dim=1)
    assert (size[:, 2] > 2.5 * size[:, :2].amax(dim=1)).all()  # 6.7 before, tilted by up to 9 degrees


@pytest.mark.parametrize("name", NETWORKS)
def test_training_learns_plates_from_poles(name: NetworkName, tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz", each=40))
    teaching, choosing = clouds.held_out(0.25)
    config = replace(QUICK, epochs=20, points=48)
    state = TrainingState.fresh(name, 2, config)
    reports = list(train(state, teaching, choosing, config))
    assert reports[-1].loss < reports[0].loss
    assert reports[-1].validation.accuracy > 0.9  # they differ in height by a factor of three or more


def test_a_resumed_training_ends_as_an_uninterrupted_one(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))

    def trained(folder: Path, stop_after: int | None) -> dict[str, torch.Tensor]:
        def told(report: EpochReport) -> None:
            if report.epoch == stop_after:
                raise KeyboardInterrupt

        try:
            done = taught(folder, clouds, told=told)
        except KeyboardInterrupt:
            done = taught(folder, clouds, resume=True, told=told)
        return load_file(done.weights)

    whole, halved = trained(tmp_path / "whole", None), trained(tmp_path / "halved", 2)
    assert all(torch.equal(whole[name], halved[name]) for name in whole)


def test_a_training_is_neither_overwritten_nor_resumed_with_other_options(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    taught(tmp_path, clouds, "pointnet", replace(QUICK, epochs=1))
    with pytest.raises(RunError, match="holds a training"):
        taught(tmp_path, clouds, "pointnet", replace(QUICK, epochs=1))
    with pytest.raises(RunError, match="had batch 8, not 4"):
        taught(tmp_path, clouds, "pointnet", replace(QUICK, epochs=1, batch=4), resume=True)


def test_a_training_may_start_from_weights_of_its_own_kind_alone(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    first = taught(tmp_path / "first", clouds, "pointnet", replace(QUICK, epochs=1))
    still = replace(QUICK, epochs=1, learning_rate=0.0)
    second = taught(tmp_path / "second", clouds, "pointnet", still, start=first.weights)
    before, after = load_file(first.weights), load_file(second.weights)
    name = "head.4.weight"
    torch.testing.assert_close(after[name], before[name])
    with pytest.raises(InputError, match="not of pointnet2"):
        taught(tmp_path / "third", clouds, "pointnet2", QUICK, start=first.weights)


def test_the_held_out_are_of_every_class_and_teach_nothing(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz", each=20))
    teaching, choosing = clouds.held_out(0.1)
    assert torch.bincount(choosing.labels).tolist() == [2, 2]
    assert len(teaching) == 36
    taught = {cloud.numpy().tobytes() for cloud in teaching.points}
    assert not any(cloud.numpy().tobytes() in taught for cloud in choosing.points)


def test_confusion_counts_what_was_taken_for_what() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.3, 0.7], [0.1, 0.9]])
    found = confusion(scores, torch.tensor([0, 0, 1, 1]), CLASSES)
    assert found.counts.tolist() == [[1, 1], [0, 2]]
    assert found.accuracy == 0.75
    assert found.class_accuracy == {"plate": 0.5, "pole": 1.0}
    assert found.mean_class_accuracy == 0.75


def test_the_threshold_divides_right_answers_from_wrong_ones() -> None:
    scores = torch.tensor([[0.95, 0.05], [0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    assert confidence_threshold(scores, torch.tensor([0, 0, 1, 0])) == pytest.approx(0.9)


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


def test_weights_survive_their_file(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    done = taught(tmp_path / "out", clouds, "pointnet2")
    classifier = network_classifier(str(done.weights))
    assert isinstance(classifier, CloudClassifier)
    assert classifier.classes == CLASSES
    assert classifier.points == 64
    assert classifier.threshold == pytest.approx(done.threshold)
    assert 0 < classifier.classify([pole_cloud()])[0].confidence <= 1


@pytest.mark.parametrize("spoil", ["cut", "pickle", "nameless", "other", "nan"])
def test_wrong_weights_are_refused_in_words(spoil: str, tmp_path: Path) -> None:
    path = tmp_path / "weights.safetensors"
    network = build_network("pointnet", 2)
    said = {"recon": json.dumps({"network": "pointnet", "classes": CLASSES, "points": 64, "threshold": 0.5})}
    tensors = {n: t.half() for n, t in network.state_dict().items() if not n.endswith("tracked")}
    if spoil == "other":
        tensors = {n: t.half() for n, t in build_network("pointnet2", 2).state_dict().items() if "tracked" not in n}
    if spoil == "nan":
        tensors["head.4.bias"] = torch.full((2,), torch.nan)
    save_file(tensors, path, None if spoil == "nameless" else said)
    if spoil == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if spoil == "pickle":
        torch.save(tensors, path)
    with pytest.raises(InputError, match="holds no weights of a network for point clouds"):
        network_classifier(str(path))


def test_missing_weights_say_which_how_large_and_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        network_classifier(str(tmp_path / "none.safetensors"))
    with pytest.raises(InputError, match="no classifier 'pointnext'"):
        network_classifier("pointnext")
    monkeypatch.setattr("recon.priors.clouds.weights_file.__file__", str(tmp_path / "here.py"))
    with pytest.raises(InputError, match=r"weights of pointnet2 \(about 1 MB\)") as missing:
        network_classifier("pointnet2")
    assert "recon pointnet train --network pointnet2" in missing.value.advice


def test_the_command_trains_and_measures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = labelled_file(tmp_path / "things_train.npz")
    options = ["--network", "pointnet", "--epochs", "2", "--batch", "8", "--points", "64"]
    out = tmp_path / "out"
    assert main(["pointnet", "train", "--data", str(tmp_path), "--output", str(out), *options, "--json"]) == 0
    trained = json.loads(capsys.readouterr().out)
    assert trained["validation"]["clouds"] == 4
    assert main(["pointnet", "eval", "--data", str(data), "--classifier", trained["weights"], "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert np.array(found["confusion"]).sum() == found["clouds"] == 24
    assert found["accuracy"] == pytest.approx(np.trace(found["confusion"]) / 24)


@pytest.mark.parametrize("spoil", ["text", "shape", "labels", "nan", "pickle"])
def test_data_that_is_none_is_refused_in_words(spoil: str, tmp_path: Path) -> None:
    path = labelled_file(tmp_path / "train.npz")
    arrays = dict(np.load(path))
    if spoil == "shape":
        arrays["points"] = arrays["points"][..., :2]
    if spoil == "labels":
        arrays["labels"] = arrays["labels"] + 1
    if spoil == "nan":
        arrays["points"][0, 0, 0] = np.nan
    if spoil == "pickle":
        arrays["labels"] = np.array([{}] * len(arrays["labels"]), dtype=object)
    np.savez(path, **arrays)
    if spoil == "text":
        path.write_text("points")
    with pytest.raises(InputError, match=r"train\.npz"):
        read_labelled(path)


def test_labelled_clouds_can_be_chosen() -> None:
    clouds = LabelledClouds(torch.zeros(3, 4, 3), torch.tensor([0, 1, 0]), CLASSES)
    assert clouds[torch.tensor([1])].labels.tolist() == [1]
