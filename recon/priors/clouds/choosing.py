"""A classifier by its name, and the confidence that one should ask of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.errors import InputError
from recon.priors.clouds.classifier import CloudClassifier, NetworkClassifier
from recon.priors.clouds.networks import NETWORKS
from recon.priors.clouds.weights_file import load_weights, shipped_weights

__all__ = ["cloud_classifier", "confidence_threshold", "network_classifier"]


def cloud_classifier(
    name: str, *, device: torch.device | str = "cpu", note: Callable[[str], None] = lambda _: None
) -> CloudClassifier:
    """The classifier of that name: a network that recon has weights of, or the path of a file of weights."""
    return network_classifier(name, device=device, note=note)


def network_classifier(
    name: str, *, device: torch.device | str = "cpu", note: Callable[[str], None] = lambda _: None
) -> NetworkClassifier:
    """As `cloud_classifier`, with what only networks have: votes, a threshold, scores of prepared clouds."""
    if name in NETWORKS:
        path = shipped_weights(name)
    elif name.endswith(".safetensors"):
        path = Path(name)
    else:
        raise InputError(
            f"There is no classifier {name!r}.",
            advice=f"Use {', '.join(NETWORKS)}, or a .safetensors file that recon pointnet train wrote.",
        )
    network, said = load_weights(path)
    to_box = said.turns == "quarter"
    return NetworkClassifier(
        network, said.classes, said.points, said.threshold, to_box=to_box, device=device, note=note
    )


def confidence_threshold(scores: Float[Tensor, "b c"], labels: Int[Tensor, "b"]) -> float:
    """The confidence that divides right answers from wrong ones best: as few of either on the wrong side.

    The largest of (share of right answers kept) - (share of wrong ones kept), which is Youden's index (1950).
    """
    confidence, answer = scores.max(dim=1)
    right = answer == labels
    if bool(right.all()):
        return float(confidence.min())
    if not bool(right.any()):
        return 1.0
    candidates = confidence.sort().values
    kept = confidence[None] >= candidates[:, None]
    index = kept[:, right].float().mean(dim=1) - kept[:, ~right].float().mean(dim=1)
    return float(candidates[index.argmax()])
