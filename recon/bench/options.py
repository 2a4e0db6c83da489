"""What to measure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recon.bench.inputs import Regime
from recon.errors import InputError

__all__ = ["BenchOptions", "sizes_of"]


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """How right and how fast recon's operators are on this machine."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What computes; auto takes the GPU where there is one."""
    quick: bool = False
    """A few small inputs: under a minute."""
    checks: bool = False
    """Compare every operator with its reference, and time nothing."""
    gaussians: tuple[int, ...] = ()
    """How many Gaussians; each number with each size. Without any input named: a ladder from 50,000 to what the device
    is for, awkward ones, radiance fields and the demo's run. With one, only what is named."""
    size: tuple[str, ...] = ()
    """Images, as 1920x1080."""
    regime: tuple[Regime, ...] = ()
    """small: 1 pixel each. trained: as after training. early: as after initialisation, large and faint."""
    only: tuple[str, ...] = ()
    """Stages to time, by how their names begin: forward, loss, backward, hash, marching ... Others are left out."""
    model: tuple[Path, ...] = ()
    """Trained runs, or .ply files in them, to render from their cameras. Without it: runs/demo where it is."""
    scene: Path | None = None
    """A folder of photos with poses to train on for --seconds, and to score."""
    seconds: float = 60.0
    """How long to train --scene."""
    image_size: int | None = None
    """Longest side of the photos of --scene, in pixels. Without it: what fits."""
    torch_tiles: bool = False
    """Also run the rasteriser that everybody writes first, in plain torch. Takes minutes on a CPU."""
    markdown: Path | None = None
    """Write the tables to this file."""

    @property
    def names_scenes(self) -> bool:
        """Made-up ones."""
        return len(self.gaussians) + len(self.size) + len(self.regime) > 0

    @property
    def names_inputs(self) -> bool:
        return self.names_scenes or len(self.model) > 0 or self.scene is not None

    def __post_init__(self) -> None:
        sizes_of(self.size)
        if any(count < 0 for count in self.gaussians):
            raise InputError("--gaussians is negative.", advice="Give 0 or more.")
        if not self.seconds > 0:
            raise InputError(f"--seconds is {self.seconds}.", advice="Give more than 0.")


def sizes_of(texts: tuple[str, ...]) -> list[tuple[int, int]]:
    """Width and height of each `WxH`."""
    sizes = []
    for text in texts:
        found = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", text)
        if found is None:
            raise InputError(f"--size {text} is no size.", advice="Give width x height: --size 1920x1080.")
        sizes.append((int(found[1]), int(found[2])))
    return sizes
