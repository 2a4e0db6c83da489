"""Trained networks in files: tensors as safetensors, half as wide as they were, and beside them what the network is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from recon.errors import InputError
from recon.io.disk import write_whole
from recon.priors.clouds.augmenting import Turns
from recon.priors.clouds.networks import NETWORKS, NetworkName, build_network

__all__ = ["CloudWeights", "load_weights", "save_weights", "shipped_weights"]

_LARGEST = 256 << 20
"""Bytes; no network here has more."""


@dataclass(frozen=True)
class CloudWeights:
    """What a file of weights says of itself."""

    network: NetworkName
    classes: tuple[str, ...]
    points: int
    """Of each cloud that the network was measured with."""
    threshold: float
    """Confidence below which a cloud is unknown, chosen on clouds held out from training."""
    turns: Turns = "any"
    """About the up axis, that it was taught: "quarter" takes clouds that are turned to their boxes."""


def shipped_weights(name: str) -> Path:
    """Where recon's own weights of a network are; they may be missing."""
    return Path(__file__).parent / "shipped" / f"{name}.safetensors"


def save_weights(path: Path, weights: Mapping[str, Tensor], said: CloudWeights) -> None:
    """Floats are kept as half precision: a rounding of 0.05 %, which changes no answer that is worth having."""
    from safetensors.torch import save

    halves = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
        for name, tensor in weights.items()
        if not name.endswith("num_batches_tracked")
    }
    write_whole(path, save(halves, {"recon": json.dumps(asdict(said))}))


def load_weights(path: Path) -> tuple[nn.Module, CloudWeights]:
    """The network, ready to answer. Raises `InputError` where the file is not one that `save_weights` wrote."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise _missing(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has {path.stat().st_size >> 20} MB, more than any network of recon")
        with safe_open(str(path), framework="pt") as file:
            said = _said((file.metadata() or {}).get("recon"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        if said.network == "pointnet2" and "levels.0.balls.0.offsets.weight" in tensors:
            said = replace(said, network="pointnet2-ssg")  # as it was called before there were several resolutions
        network = build_network(said.network, len(said.classes))
        _fill(network, tensors)
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path} holds no weights of a network for point clouds: {error}.",
            advice="Pass a file that recon pointnet train wrote, or --classifier " + " or ".join(NETWORKS[:2]) + ".",
        ) from error
    return network.eval(), said


def _fill(network: nn.Module, tensors: dict[str, Tensor]) -> None:
    wanted = {name for name in network.state_dict() if not name.endswith("num_batches_tracked")}
    if wanted != set(tensors):
        odd = sorted(wanted ^ set(tensors))[0]
        raise ValueError(f"{odd} is {'missing' if odd in wanted else 'no part of the network'}")
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values() if tensor.is_floating_point()):
        raise ValueError("it has numbers that are not finite")
    network.load_state_dict(tensors, strict=False)


def _said(text: str | None) -> CloudWeights:
    if text is None:
        raise ValueError("it does not say which network it is")
    said = json.loads(text)
    network, points, threshold = said["network"], int(said["points"]), float(said["threshold"])
    if network not in NETWORKS or not 0 <= threshold <= 1 or not 1 <= points <= 1 << 20:
        raise ValueError("what it says of itself makes no sense")
    turns = said.get("turns", "any")
    if turns not in get_args(Turns):
        raise ValueError(f"it was taught turns of another kind: {turns}")
    return CloudWeights(network, tuple(map(str, said["classes"])), points, threshold, turns)


def _missing(path: Path) -> InputError:
    shipped = next((name for name in NETWORKS if shipped_weights(name) == path), None)
    if shipped is None:
        return InputError(f"{path} does not exist.", advice="Pass a file that recon pointnet train wrote.")
    return InputError(
        f"The weights of {shipped} (about 2 MB) are not in this installation: {path} is missing.",
        advice=f"Install recon again, or train them: recon pointnet train --network {shipped} --data DIR, "
        f"and put weights.safetensors there.",
    )
