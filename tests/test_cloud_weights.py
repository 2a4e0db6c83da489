"""Weights of networks for point clouds: kept, and refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from cloud_networks import taught
from safetensors.torch import save_file
from shapes import CLASSES, labelled_file, pole_cloud

from recon.errors import InputError
from recon.priors.clouds import CloudClassifier
from recon.priors.clouds.choosing import network_classifier
from recon.priors.clouds.labelled import read_labelled
from recon.priors.clouds.networks import build_network
from recon.priors.clouds.weights_file import load_weights


def test_weights_survive_their_file(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    done = taught(tmp_path / "out", clouds, "pointnet2")
    classifier = network_classifier(str(done.weights))
    assert isinstance(classifier, CloudClassifier)
    assert classifier.classes == CLASSES
    assert classifier.points == 64
    assert classifier.threshold == pytest.approx(done.threshold)
    assert 0 < classifier.classify([pole_cloud()])[0].confidence <= 1


def test_weights_of_single_scales_go_by_the_name_they_had_before(tmp_path: Path) -> None:
    said = {"network": "pointnet2", "classes": CLASSES, "points": 64, "threshold": 0.5}
    tensors = {n: t for n, t in build_network("pointnet2-ssg", 2).state_dict().items() if "tracked" not in n}
    save_file(tensors, tmp_path / "old.safetensors", {"recon": json.dumps(said)})
    assert load_weights(tmp_path / "old.safetensors")[1].network == "pointnet2-ssg"


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
    with pytest.raises(InputError, match=r"weights of pointnet2 \(about 2 MB\)") as missing:
        network_classifier("pointnet2")
    assert "recon pointnet train --network pointnet2" in missing.value.advice


def test_weights_say_whether_they_want_clouds_turned_to_their_boxes(tmp_path: Path) -> None:
    network = build_network("pointnet", 2)
    for said, wanted in (({}, False), ({"turns": "any"}, False), ({"turns": "quarter"}, True)):
        path = tmp_path / "weights.safetensors"
        about = {"network": "pointnet", "classes": CLASSES, "points": 64, "threshold": 0.5, **said}
        tensors = {n: t.half() for n, t in network.state_dict().items() if not n.endswith("tracked")}
        save_file(tensors, path, {"recon": json.dumps(about)})
        assert network_classifier(str(path)).to_box == wanted
