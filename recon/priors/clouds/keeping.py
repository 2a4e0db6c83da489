"""The folder of a training: checkpoint, weights of the best epoch, and what was measured."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from recon.errors import InputError, RunError
from recon.io.cache import hash_files
from recon.io.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from recon.io.disk import write_whole
from recon.priors.clouds.choosing import confidence_threshold
from recon.priors.clouds.classifier import NetworkClassifier
from recon.priors.clouds.labelled import LabelledClouds
from recon.priors.clouds.networks import PARTS, NetworkName, build_network
from recon.priors.clouds.scoring import Confusion, confusion
from recon.priors.clouds.training import CloudTraining, EpochReport, TrainingState, train
from recon.priors.clouds.weights_file import CloudWeights, load_weights, save_weights

__all__ = ["Trained", "measured", "train_in_folder"]

_HELD_OUT = 0.1
"""Share of each class that chooses the epoch and the threshold."""


@dataclass(frozen=True)
class Trained:
    weights: Path
    validation: Confusion
    """Of the best epoch, on the clouds held out, as `recon classify` would answer."""
    threshold: float


def train_in_folder(
    folder: Path,
    clouds: LabelledClouds,
    network: NetworkName,
    config: CloudTraining,
    *,
    resume: bool,
    start: Sequence[Path] = (),
    told: Callable[[EpochReport], None],
    progress: Callable[[float], None],
) -> Trained:
    """Train to the end, saving after every epoch; raises `RunError` where `folder` holds something else.

    `start` are files of weights to begin with, of the same classes and the same network, or its parts. Without epochs,
    they are what comes out.
    """
    if config.epochs < 1 and len(start) == 0:
        raise InputError(
            f"{config.epochs} epochs teach nothing.", advice="Give --epochs 1 or more, or weights with --start."
        )
    checkpoint = folder / "checkpoint"
    if config.turns == "quarter":
        clouds = clouds.turned_to_boxes()
    teaching, choosing = clouds.held_out(_HELD_OUT)
    state = TrainingState.fresh(network, len(clouds.classes), config)
    settings = {"network": network, "classes": list(clouds.classes), "clouds": len(clouds), **asdict(config)}
    if len(start) > 0:
        settings |= {"start": hash_files(start)}
    for path in start:
        _begin(state.network, path, network, clouds.classes)
    if resume:
        _continue(state, checkpoint, settings)
    elif has_checkpoint(checkpoint):
        raise RunError(f"{folder} holds a training.", advice="Go on with --resume, or choose another --output.")
    folder.mkdir(parents=True, exist_ok=True)
    for report in train(state, teaching, choosing, config, progress):
        save_checkpoint(checkpoint, {**state.state_dict(), "settings": settings})
        told(report)
    if config.epochs == 0:
        state.best = dict(state.network.state_dict())
    best = build_network(network, len(clouds.classes))
    best.load_state_dict(state.best)
    points = min(config.points, clouds.points.shape[1])
    scores = NetworkClassifier(best, clouds.classes, points, 0.0).scores(choosing.points[:, : 2 * points])
    threshold = confidence_threshold(scores, choosing.labels)
    weights = folder / "weights.safetensors"
    save_weights(weights, state.best, CloudWeights(network, clouds.classes, points, threshold, config.turns))
    validation = confusion(scores, choosing.labels, clouds.classes)
    said = {"settings": settings, "epochs": state.epoch, "threshold": threshold, "validation": measured(validation)}
    write_whole(folder / "training.json", json.dumps(said, indent=1).encode())
    return Trained(weights, validation, threshold)


def measured(found: Confusion) -> dict[str, Any]:
    """A confusion as JSON has it."""
    return {
        "clouds": int(found.counts.sum()),
        "accuracy": found.accuracy,
        "mean_class_accuracy": found.mean_class_accuracy,
        "class_accuracy": found.class_accuracy,
        "confusion": found.counts.tolist(),
        "classes": list(found.classes),
    }


def _begin(fresh: nn.Module, start: Path, network: NetworkName, classes: tuple[str, ...]) -> None:
    """The weights of `start` into the network, or the part of it that they are of."""
    begun, said = load_weights(start)
    parts = PARTS.get(network, {})
    if said.classes != classes or (said.network != network and said.network not in parts):
        raise InputError(
            f"{start} has weights of {said.network} for {len(said.classes)} classes, not of {network} for these.",
            advice="Start from weights of the same network or its parts, for the same classes, or from none.",
        )
    begins = fresh if said.network == network else fresh.get_submodule(parts[said.network])
    begins.load_state_dict(begun.state_dict())


def _continue(state: TrainingState, checkpoint: Path, settings: dict[str, Any]) -> None:
    kept = load_checkpoint(checkpoint)
    before = kept.get("settings", {})
    changed = [name for name in {**settings, **before} if before.get(name) != settings.get(name)]
    if changed:
        name = changed[0]
        raise RunError(
            f"The training in {checkpoint.parent} had {name} {before.get(name)}, not {settings.get(name)}.",
            advice="Resume with the same options, or start anew in another --output.",
        )
    state.load_state_dict(kept)
