"""A posed scene trained for a while: the operators together, and what comes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import torch

from recon.bench.results import TrainingRow
from recon.errors import InputError
from recon.evaluation import evaluate
from recon.io.posed import find_posed
from recon.io.scene import load_scene
from recon.models import GaussianConfig, build_model
from recon.training import TrainConfig, TrainState, train
from recon.types import Scene

__all__ = ["posed_scene", "train_for"]


def posed_scene(folder: Path, image_size: int | None) -> Scene:
    """Photos with a COLMAP model or a transforms.json beside them."""
    posed = find_posed(folder)
    if posed is None:
        raise InputError(
            f"{folder} holds neither a COLMAP model nor a transforms.json.",
            advice="Pose its photos first: recon poses PHOTOS --output MODEL.",
        )
    try:
        return load_scene(posed.read(), image_size=image_size)
    except ImportError as error:
        raise InputError(f"Photos cannot be read here: {error}.", advice="pip install pillow") from error


def train_for(
    scene: Scene,
    device: torch.device,
    *,
    name: str,
    budget: float | None = None,
    steps: int | None = None,
    config: GaussianConfig | None = None,
    watch: Callable[[float], None] | None = None,
) -> TrainingRow:
    """Train for `budget` seconds or `steps` steps and score what was held out."""
    length = TrainConfig(steps=steps, budget=budget)
    chosen = GaussianConfig() if config is None else config
    started = time.monotonic()
    model = build_model(chosen, scene, steps=length.limit or 1, device=device)
    state = TrainState.start(model, scene)
    for report in train(state, scene, length):
        if watch is not None:
            watch(report.step / length.limit if length.limit is not None else state.elapsed / (budget or 1.0))
    seconds = time.monotonic() - started
    metrics = evaluate(model, scene, scene.test) if len(scene.test) > 0 else None
    return TrainingRow(
        scene=name,
        device=device.type,
        psnr=None if metrics is None else metrics.psnr,
        ssim=None if metrics is None else metrics.ssim,
        steps=state.step,
        gaussians=model.counts().get("gaussians", 0),
        seconds=seconds,
    )
