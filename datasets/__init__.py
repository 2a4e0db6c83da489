"""Where photos for demos and tests are found: the capture that comes with recon, and a folder of larger ones."""

from __future__ import annotations

import os
from pathlib import Path

from recon.errors import InputError

__all__ = ["data_root", "demo_capture", "demo_truth"]


def demo_capture() -> Path:
    """The folder of 72 photos that comes with recon: a still life on a table, 400 x 400 pixels each."""
    return _shipped("studio")


def demo_truth() -> Path:
    """The folder with the exact cameras (`poses.json`) and some depth maps (`depth.npz`) of the demo capture."""
    return _shipped("studio_truth")


def data_root() -> Path:
    """The folder of larger captures that tests and benchmarks read, as the environment variable RECON_DATA names it."""
    named = os.environ.get("RECON_DATA", "")
    if named == "":
        raise InputError(
            "RECON_DATA is not set, so there are no captures to read.",
            advice="Set it to the folder that holds them, for example: export RECON_DATA=$HOME/recon-data",
        )
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise InputError(f"RECON_DATA names {folder}, which is no folder.", advice="Correct it, or unset it.")
    return folder


def _shipped(name: str) -> Path:
    folder = Path(__file__).resolve().parent / name
    if not folder.is_dir():
        raise InputError(
            f"The demo capture is missing: {folder} is no folder.",
            advice="Install recon again, or run from a clone of its repository.",
        )
    return folder
