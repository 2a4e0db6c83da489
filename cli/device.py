"""What computes: the GPU where there is one that works, the CPU otherwise, and training says which and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from recon.errors import InputError

__all__ = ["ChosenDevice", "choose_device"]


@dataclass(frozen=True)
class ChosenDevice:
    name: Literal["cpu", "cuda"]
    sentence: str
    """Why, to be said aloud; empty where it was asked for."""


def choose_device(asked: Literal["auto", "cpu", "cuda"]) -> ChosenDevice:
    """The device to compute on. `cuda` without a GPU is refused; only `auto` may choose."""
    if asked == "cpu":
        return ChosenDevice("cpu", "")
    from recon.ops.device import why_no_gpu

    reason = why_no_gpu()
    if reason is None:
        import torch

        return ChosenDevice("cuda", f"Training on the GPU, {torch.cuda.get_device_name()}.")
    if asked == "cuda":
        raise InputError(f"There is no GPU to use: {reason}.", advice="Use --device cpu, or mend that first.")
    return ChosenDevice("cpu", f"Training on the CPU: {reason}.")
