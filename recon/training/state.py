"""All that a training run depends on between two steps: what a checkpoint holds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from recon.errors import RunError
from recon.sampling import PixelSampler, Sampler
from recon.types import Model, Scene

__all__ = ["TrainState"]


@dataclass
class TrainState:
    """Changed by training. Saved and loaded between two steps, it goes on as if nothing had happened."""

    model: Model
    sampler: Sampler | PixelSampler
    step: int = 0
    elapsed: float = 0.0
    """Seconds of training so far, pauses left out, earlier sessions of a resumed run included."""
    skipped: int = 0
    """Steps whose loss was not finite."""

    @classmethod
    def start(cls, model: Model, scene: Scene, *, seed: int = 0) -> TrainState:
        sampler = PixelSampler if model.sampling == "pixels" else Sampler
        return cls(model, sampler(scene, seed=seed, device=getattr(model, "device", "cpu")))

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors only, by names with dots; all of them copies. Raises `RunError` rather than give a broken model."""
        state = {
            "step": torch.tensor(self.step),
            "elapsed": torch.tensor(self.elapsed, dtype=torch.float64),
            "skipped": torch.tensor(self.skipped),
        }
        model = self.model.state_dict()
        broken = [name for name, value in model.items() if not bool(torch.isfinite(value).all())]
        if broken:
            raise RunError(
                f"After {self.step} steps the model holds what is not a number ({broken[0]}); it was not saved.",
                advice="Go on from the last checkpoint with --resume, or start again with another --seed.",
            )
        state |= {f"model.{name}": value for name, value in model.items()}
        state |= {f"sampler.{name}": value for name, value in self.sampler.state_dict().items()}
        return state

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        self.step, self.skipped = int(state["step"]), int(state["skipped"])
        self.elapsed = float(state["elapsed"])
        self.model.load_state_dict(_below("model.", state))
        self.sampler.load_state_dict(_below("sampler.", state))


def _below(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
