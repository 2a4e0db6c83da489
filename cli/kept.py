"""What a run's config.toml says about what was settled before its training: typed, and checked where it is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from recon.errors import RunError
from recon.io.run import Run
from recon.io.settings import from_plain
from recon.models import ModelConfig

__all__ = ["Inputs", "Kept", "KeptOptions", "KeptScene", "Length", "read_kept", "require"]


@dataclass(frozen=True, kw_only=True)
class KeptOptions:
    """Of the options, what everybody needs who opens the run."""

    images: Path
    masks: Path | None = None
    hold_out: int = 8
    model: ModelConfig


@dataclass(frozen=True)
class Inputs:
    """What the run was made from."""

    photos: int
    """Posed or not."""
    hash: str
    """Of the posed photos and masks."""


@dataclass(frozen=True)
class KeptScene:
    """How the photos are shown to the training."""

    image_size: int
    """Longest side in pixels."""
    transparent: bool
    """They have an alpha channel: they are seen over white."""


@dataclass(frozen=True)
class Length:
    """How long the training is, by either measure."""

    steps: int | None = None
    budget: float | None = None
    """Seconds."""


@dataclass(frozen=True)
class Kept:
    """The tables of config.toml."""

    options: KeptOptions
    inputs: Inputs
    scene: KeptScene
    training: Length


def read_kept(run: Run) -> Kept:
    """What was settled; raises `RunError` where the file does not say all of it."""
    config = run.read_config()
    require(run, config, *(field.name for field in fields(Kept)))
    names = {field.name for field in fields(KeptOptions)}
    options = {name: value for name, value in config["options"].items() if name in names}
    tables = {name: config[name] for name in ("inputs", "scene", "training")}
    return from_plain(Kept, {"options": options, **tables}, where=f"{run.config_file} is not whole: it")


def require(run: Run, config: Mapping[str, Any], *tables: str) -> None:
    """Raise `RunError` unless config.toml has these tables."""
    missing = [name for name in tables if not isinstance(config.get(name), dict)]
    if missing:
        raise RunError(
            f"{run.config_file} is not whole: [{min(missing)}] is missing.",
            advice="Put the file back as it was, or train anew into another --output.",
        )
