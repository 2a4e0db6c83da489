"""How PointNet and PointNet++ are taught, stopped, resumed and begun."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from cloud_networks import QUICK, taught
from safetensors.torch import load_file
from shapes import box_cloud, labelled_file, pole_cloud

from recon.cli.main import main
from recon.errors import InputError, RunError
from recon.priors.clouds.augmenting import Turns, augmented
from recon.priors.clouds.labelled import read_labelled
from recon.priors.clouds.networks import NETWORKS, NetworkName
from recon.priors.clouds.training import EpochReport, TrainingState, train
from recon.priors.clouds.weights_file import load_weights


def test_augmented_clouds_keep_their_up_axis_and_radius() -> None:
    poles = torch.from_numpy(np.stack([pole_cloud(400, seed) for seed in range(20)])).float()
    changed = augmented(poles, 256, torch.Generator().manual_seed(0))
    assert changed.shape == (20, 256, 3)
    torch.testing.assert_close(changed.norm(dim=2).amax(dim=1), torch.ones(20))
    size = changed.amax(dim=1) - changed.amin(dim=1)
    assert (size[:, 2] > 2.5 * size[:, :2].amax(dim=1)).all()  # 6.7 before, tilted by up to 9 degrees


def test_quarter_turns_leave_boxes_along_the_axes_and_other_turns_do_not() -> None:
    boxes = torch.from_numpy(np.stack([box_cloud((0.5, 2, 0.1), 1000, seed) for seed in range(64)])).float()
    aspects = {}
    for turns in get_args(Turns):
        changed = augmented(boxes, 512, torch.Generator().manual_seed(0), turns=turns)
        size = changed.amax(dim=1) - changed.amin(dim=1)
        aspects[turns] = size[:, 0] / size[:, 1]
    along = {turns: (aspect.log().abs() > math.log(2)).float().mean() for turns, aspect in aspects.items()}
    assert along["quarter"] > 0.9  # 4 before; a turn by three deviations makes 2.2 of it
    assert along["any"] < 0.6  # turned by 18 degrees or more: 2 and less
    assert 0.3 < (aspects["quarter"] > 1).float().mean() < 0.7


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
    second = taught(tmp_path / "second", clouds, "pointnet", still, start=(first.weights,))
    before, after = load_file(first.weights), load_file(second.weights)
    name = "head.4.weight"
    torch.testing.assert_close(after[name], before[name])
    with pytest.raises(InputError, match="not of pointnet2-ssg"):
        taught(tmp_path / "third", clouds, "pointnet2-ssg", QUICK, start=(first.weights,))


def test_networks_trained_alone_are_put_together(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    parts = [taught(tmp_path / name, clouds, name, replace(QUICK, epochs=1)) for name in ("pointnet2-ssg", "pointnet")]
    files = tuple(part.weights for part in parts)
    whole = taught(tmp_path / "whole", clouds, "pointnet2", replace(QUICK, epochs=0), start=files)
    networks = [load_weights(path)[0] for path in (*files, whole.weights)]
    with torch.no_grad():
        grouped, single, both = (network(clouds.points[:, :64]).logits for network in networks)
    torch.testing.assert_close(both, (grouped + single) / 2)


def test_no_epochs_and_nothing_to_start_from_make_no_weights(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    with pytest.raises(InputError, match="0 epochs teach nothing"):
        taught(tmp_path / "out", clouds, "pointnet", replace(QUICK, epochs=0))
    assert not (tmp_path / "out").exists()


def test_a_training_is_not_resumed_without_what_it_started_from(tmp_path: Path) -> None:
    clouds = read_labelled(labelled_file(tmp_path / "train.npz"))
    first = taught(tmp_path / "first", clouds, "pointnet", replace(QUICK, epochs=1))
    taught(tmp_path / "second", clouds, "pointnet", replace(QUICK, epochs=1), start=(first.weights,))
    with pytest.raises(RunError, match="had start"):
        taught(tmp_path / "second", clouds, "pointnet", replace(QUICK, epochs=1), resume=True)


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
