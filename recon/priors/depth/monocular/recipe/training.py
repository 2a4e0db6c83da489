"""Training: Adam on random batches, a rate that falls with the time that is left, checkpoints to go on from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recon.io.disk import whole
from recon.priors.depth.monocular.network import DepthNetwork
from recon.priors.depth.monocular.recipe.batches import batches
from recon.priors.depth.monocular.recipe.loss import depth_loss

__all__ = ["Progress", "train"]

_RATE = 8e-4
_WARM = 200
"""Steps until the full rate."""
_STAGES = (
    (0.65, ((64, 96), (96, 64), (96, 96))),
    (0.85, ((96, 128), (128, 96), (128, 128))),
    (1.00, ((128, 160), (160, 128), (160, 96))),
)
"""Until which share of the time photos have one of which heights and widths: small ones teach most in a second."""
_AVERAGED = 0.998
"""The weights that are kept are an average over some hundred steps (Polyak and Juditsky 1992)."""


@dataclass
class Progress:
    """Where training stands."""

    net: DepthNetwork
    averaged: dict[str, Tensor]
    optimizer: torch.optim.Optimizer
    share: float = 0.0
    """Of the whole training that is done, 0 to 1."""
    step: int = 0


def train(
    scenes: Path, checkpoint: Path, *, minutes: float, begin: DepthNetwork | None = None, batch: int = 8
) -> Progress:
    """Train for so long altogether, going on from `checkpoint` where there is one, else from the weights of `begin`."""
    state = _opened(checkpoint, begin)
    elapsed, begun, saved, losses = state.share * minutes * 60, time.monotonic(), time.monotonic(), []
    supply: dict = {}
    while state.share < 1:
        shapes = next(shapes for until, shapes in _STAGES if state.share < until)
        if shapes not in supply:
            supply[shapes] = batches(scenes / "train", batch, shapes, seed=state.step + 1)
        examples = next(supply[shapes])
        for group in state.optimizer.param_groups:
            group["lr"] = _RATE * min(1, (state.step + 1) / _WARM) * (1 - state.share) ** 0.9
        with torch.autocast("cpu", torch.bfloat16):
            answer = state.net(examples.rgb, examples.sparse, examples.known)
        loss = depth_loss(answer, examples.inverse)
        state.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
        state.optimizer.step()
        state.step += 1
        state.share = min(1.0, (elapsed + time.monotonic() - begun) / (minutes * 60))
        _average(state)
        losses.append(float(loss.detach()))
        if len(losses) == 200:
            print(f"{state.share:6.1%}  step {state.step}  loss {sum(losses) / 200:.4f}", flush=True)
            losses = []
        if time.monotonic() - saved > 60 or state.share >= 1:
            _save(state, checkpoint)
            saved = time.monotonic()
    return state


def _average(state: Progress) -> None:
    keep = min(_AVERAGED, 1 - 1 / (state.step + 1))
    for name, value in state.net.state_dict().items():
        state.averaged[name].lerp_(value.detach(), 1 - keep)


def _opened(checkpoint: Path, begin: DepthNetwork | None) -> Progress:
    torch.manual_seed(0)
    net = DepthNetwork()
    if begin is not None:
        net.load_state_dict(begin.state_dict())
    optimizer = torch.optim.AdamW(net.parameters(), lr=_RATE, weight_decay=0.01)
    state = Progress(net, {name: value.detach().clone() for name, value in net.state_dict().items()}, optimizer)
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        net.load_state_dict(kept["net"])
        optimizer.load_state_dict(kept["optimizer"])
        state.averaged, state.share, state.step = kept["averaged"], kept["share"], kept["step"]
    return state


def _save(state: Progress, checkpoint: Path) -> None:
    kept = {
        "net": state.net.state_dict(),
        "averaged": state.averaged,
        "optimizer": state.optimizer.state_dict(),
        "share": state.share,
        "step": state.step,
    }
    with whole(checkpoint) as part:
        torch.save(kept, part)
