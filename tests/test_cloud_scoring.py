"""Labelled clouds, how they are divided, and how right answers are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from shapes import CLASSES, labelled_file

from recon.errors import InputError
from recon.priors.clouds.choosing import confidence_threshold
from recon.priors.clouds.labelled import LabelledClouds, read_labelled
from recon.priors.clouds.scoring import confusion


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


@pytest.mark.parametrize("spoil", ["text", "empty", "missing", "shape", "labels", "words", "nan", "pickle"])
def test_data_that_is_none_is_refused_in_words(spoil: str, tmp_path: Path) -> None:
    path = labelled_file(tmp_path / "train.npz")
    arrays = dict(np.load(path))
    if spoil == "shape":
        arrays["points"] = arrays["points"][..., :2]
    if spoil == "labels":
        arrays["labels"] = arrays["labels"] + 1
    if spoil == "nan":
        arrays["points"][0, 0, 0] = np.nan
    if spoil == "missing":
        del arrays["labels"]
    if spoil == "words":
        arrays["points"] = arrays["points"].astype(str)
    if spoil == "pickle":
        arrays["labels"] = np.array([{}] * len(arrays["labels"]), dtype=object)
    np.savez(path, **arrays)
    if spoil in ("text", "empty"):
        path.write_text("points" if spoil == "text" else "")
    with pytest.raises(InputError, match=r"train\.npz"):
        read_labelled(path)


def test_labelled_clouds_can_be_chosen() -> None:
    clouds = LabelledClouds(torch.zeros(3, 4, 3), torch.tensor([0, 1, 0]), CLASSES)
    assert clouds[torch.tensor([1])].labels.tolist() == [1]
