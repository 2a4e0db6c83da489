"""Training a network on labelled clouds, an epoch at a time.

What an epoch draws depends on the seed and its number alone, so that a run that was stopped and resumed ends as one
that was not. Classes are drawn in proportion to the square root of their size (Mahajan et al. 2018), between as they
come and all alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recon.priors.clouds.augmenting import Turns, augmented
from recon.priors.clouds.labelled import LabelledClouds
from recon.priors.clouds.networks import NetworkName, build_network
from recon.priors.clouds.scoring import Confusion, confusion

__all__ = ["CloudTraining", "EpochReport", "TrainingState", "predict", "train"]


@dataclass(frozen=True)
class CloudTraining:
    """How a network is trained."""

    epochs: int = 60
    batch: int = 32
    points: int = 512
    """Points of each cloud that a step looks at, drawn anew."""
    turns: Turns = "any"
    """About the up axis: quarters of clouds that are turned to their boxes first, in use too, or any."""
    learning_rate: float = 2e-3
    """At its highest, after the first 5 % of the epochs; falls as a cosine to nothing."""
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    seed: int = 0
    bf16: bool = False
    """Multiply matrices in bfloat16: twice as fast or more on processors that have it."""


@dataclass
class TrainingState:
    """Everything that training changes."""

    network: nn.Module
    optimizer: torch.optim.AdamW
    epoch: int = 0
    best: dict[str, Tensor] = field(default_factory=dict)
    """Weights of the epoch with the highest mean-class accuracy on the clouds that choose."""
    best_score: float = -1.0

    @staticmethod
    def fresh(name: NetworkName, classes: int, config: CloudTraining) -> TrainingState:
        torch.manual_seed(config.seed)
        network = build_network(name, classes)
        decayed = [p for p in network.parameters() if p.ndim > 1]
        others = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": decayed, "weight_decay": config.weight_decay}, {"params": others, "weight_decay": 0.0}]
        return TrainingState(network, torch.optim.AdamW(groups, lr=config.learning_rate))

    def state_dict(self) -> dict[str, Any]:
        moments = {
            str(i): {name: value.clone() for name, value in state.items()}
            for i, state in self.optimizer.state_dict()["state"].items()
        }
        weights = {"network": dict(self.network.state_dict()), "best": dict(self.best), "moments": moments}
        return weights | {"epoch": self.epoch, "best_score": self.best_score}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        groups = self.optimizer.state_dict()["param_groups"]
        moments = {int(i): moment for i, moment in state["moments"].items()}
        self.optimizer.load_state_dict({"state": moments, "param_groups": groups})
        self.epoch, self.best, self.best_score = state["epoch"], state["best"], state["best_score"]


@dataclass(frozen=True)
class EpochReport:
    epoch: int
    loss: float
    training_accuracy: float
    validation: Confusion


def train(
    state: TrainingState,
    teaching: LabelledClouds,
    choosing: LabelledClouds,
    config: CloudTraining,
    progress: Callable[[float], None] = lambda _: None,
) -> Iterator[EpochReport]:
    """Train `state.network` in place, yielding after every epoch. Stop by leaving the loop."""
    while state.epoch < config.epochs:
        loss, accuracy = _epoch(state, teaching, config, progress)
        state.epoch += 1
        scores = predict(state.network, choosing.points[:, : config.points], bf16=config.bf16)
        validation = confusion(scores, choosing.labels, choosing.classes)
        if validation.mean_class_accuracy >= state.best_score:
            state.best_score = validation.mean_class_accuracy
            state.best = {name: value.detach().clone() for name, value in state.network.state_dict().items()}
        yield EpochReport(state.epoch, loss, accuracy, validation)


def predict(network: nn.Module, points: Tensor, *, batch: int = 32, bf16: bool = False) -> Tensor:
    """Probabilities of the classes, `[clouds c]`."""
    network.eval()
    with torch.inference_mode(), torch.autocast(points.device.type, torch.bfloat16, enabled=bf16):
        return torch.cat([network(part).logits.float().softmax(dim=1) for part in points.split(batch)])


def _epoch(
    state: TrainingState, clouds: LabelledClouds, config: CloudTraining, progress: Callable[[float], None]
) -> tuple[float, float]:
    """Mean loss and accuracy on what was drawn."""
    generator = torch.Generator().manual_seed(config.seed * 1_000_003 + state.epoch)
    torch.manual_seed(config.seed * 1_000_003 + state.epoch)  # dropout
    state.network.train()
    drawn = _square_root_balanced(clouds, generator)
    steps = len(drawn) // config.batch
    if steps == 0:
        drawn, steps = drawn.repeat(math.ceil(config.batch / len(drawn))), 1
    total_loss, right = torch.zeros(()), torch.zeros(())
    for step in range(steps):
        rows = drawn[step * config.batch : (step + 1) * config.batch]
        points, labels = (
            augmented(clouds.points[rows], config.points, generator, turns=config.turns),
            clouds.labels[rows],
        )
        _set_pace(state, config.learning_rate, _warmth((state.epoch + step / steps) / config.epochs))
        with torch.autocast(points.device.type, torch.bfloat16, enabled=config.bf16):
            answer = state.network(points)
        loss = F.cross_entropy(answer.logits.float(), labels, label_smoothing=config.label_smoothing) + answer.penalty
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(state.network.parameters(), 5.0)
        state.optimizer.step()
        total_loss += loss.detach()
        right += (answer.logits.detach().argmax(dim=1) == labels).sum()
        progress((state.epoch + (step + 1) / steps) / config.epochs)
    return float(total_loss) / steps, float(right) / (steps * config.batch)


def _set_pace(state: TrainingState, learning_rate: float, warmth: float) -> None:
    """The statistics of batch normalisation settle as the weights do: over some 20 batches first, some 200 last."""
    for group in state.optimizer.param_groups:
        group["lr"] = learning_rate * warmth
    for module in state.network.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.momentum = max(0.1 * warmth, 0.01)


def _square_root_balanced(clouds: LabelledClouds, generator: torch.Generator) -> Tensor:
    """As many draws as there are clouds, with replacement."""
    sizes = torch.bincount(clouds.labels, minlength=len(clouds.classes)).float()
    return torch.multinomial(sizes[clouds.labels] ** -0.5, len(clouds), replacement=True, generator=generator)


def _warmth(progress: float) -> float:
    """Share of the highest learning rate."""
    warm = 0.05
    if progress < warm:
        return (progress + 1e-3) / warm
    return 0.5 * (1 + math.cos(math.pi * (progress - warm) / (1 - warm)))
