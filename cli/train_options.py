"""What `recon train` can be told."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.guiding import require_guidable
from recon.errors import InputError
from recon.models import ClassicNerfConfig, GaussianConfig, NerfConfig
from recon.priors.depth import DepthName
from recon.sfm.config import PosesConfig

__all__ = ["Options"]

Models = (
    Annotated[GaussianConfig, tyro.conf.subcommand("gaussians")]
    | Annotated[NerfConfig, tyro.conf.subcommand("nerf")]
    | Annotated[ClassicNerfConfig, tyro.conf.subcommand("nerf-classic")]
)


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Photos to a scene you can orbit and keep.

    Finds the cameras, trains a model while you watch in the browser, measures the result on photos it never saw, and
    writes it as a file. The model's name and its options come last: `gaussians` (what is trained when none is named),
    `nerf` or `nerf-classic`.
    """

    images: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the photos. Poses that lie with them (transforms.json, sparse/0, an RGB-D camera's recording) are used;
    none are computed then."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Folder for everything that comes out. Without it: runs/ and the name of the photos' folder."""
    budget: Annotated[str | None, tyro.conf.arg(metavar="TIME")] = None
    """Time for the whole command, poses and evaluation included: 180s, 5m, 1h. Training fills what the rest leaves."""
    steps: int | None = None
    """Training steps: 7000 without a budget. The same steps and seed give the same bits on the same machine."""
    image_size: Annotated[int | None, tyro.conf.arg(metavar="PIXELS")] = None
    """Longest side of the photos in training. Twice the size takes four times as long. Without it: what fits."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What trains: auto takes an NVIDIA GPU where there is one that works, and says what it took."""
    seed: int = 0
    """Where every random choice starts."""
    hold_out: Annotated[int, tyro.conf.arg(metavar="N")] = 8
    """Every Nth photo is kept from training, to measure with. 0 trains on all. A data set's own split goes first."""
    colmap: Annotated[Path | None, tyro.conf.arg(metavar="MODEL")] = None
    """Folder of a COLMAP model of these photos, to use its poses."""
    masks: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of masks named like the photos plus .png; what is black in them is ignored."""
    depth: DepthName | Literal["none"] | None = None
    """What tells depth to begin with and to compare with: stereo between the photos helps most where photos are few.
    Without it, what an RGB-D camera measured (TUM, ScanNet, Record3D) is used, and nothing else."""
    depth_from: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """What --depth reads: a sensor's maps (named like the photos), or a network's weights."""
    no_viewer: bool = False
    """Train without the page that shows it. Somebody who looks costs the training some of its time."""
    port: int = 7007
    """Where the viewer answers; the next free one when it is taken."""
    save_every: Annotated[str, tyro.conf.arg(metavar="TIME")] = "60s"
    """Time between checkpoints. One takes about a second for a million Gaussians."""
    resume: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """Go on with a run that was stopped, with its own options; ends where it would have ended."""
    overwrite: bool = False
    """Replace what an earlier run left in the output folder."""
    poses: PosesConfig = field(default_factory=PosesConfig)
    """How cameras are found."""
    model: Models = field(default_factory=GaussianConfig)
    """What is trained."""

    def __post_init__(self) -> None:
        least = {"steps": 1, "image_size": 16, "hold_out": 0, "seed": 0, "port": 1}
        for name, smallest in least.items():
            value = getattr(self, name)
            if value is not None and value < smallest:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} is {value}.", advice=f"Give at least {smallest}.")
        most = {"steps": 2**53, "image_size": 2**31, "seed": 2**63 - 1, "port": 65535}
        for name, largest in most.items():
            if (getattr(self, name) or 0) > largest:
                option = "--" + name.replace("_", "-")
                raise InputError(f"{option} is {getattr(self, name)}.", advice=f"Give at most {largest}.")
        if self.depth in (None, "none") and self.depth_from is not None:
            raise InputError("--depth-from says nothing without --depth.", advice="Add --depth sensor, for example.")
        if self.depth not in (None, "none"):
            require_guidable(self.model)
        if self.hold_out == 1:
            raise InputError("--hold-out 1 would hold out every photo.", advice="Give 2 or more, or 0 for none.")
