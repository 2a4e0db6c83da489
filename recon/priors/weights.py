"""Weights of networks that others trained: which recon knows, where they lie on this machine, how they get there.

Nothing is downloaded unless asked for with `recon weights get`. Whatever takes a network's name takes a folder, too, as
`save_pretrained` of transformers writes it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from recon.errors import InputError

__all__ = ["KNOWN", "KnownWeights", "weights_folder", "weights_home", "weights_place"]

WEIGHT_FILES = ("*.safetensors", "pytorch_model*.bin")
"""How files of weights are called; one of these makes a folder a model."""


@dataclass(frozen=True)
class KnownWeights:
    """A network on the Hugging Face hub that recon was written for."""

    name: str
    """What to type."""
    hub: str
    """Owner and name on the hub."""
    kind: Literal["depth", "features", "segmentation"]
    what: str
    megabytes: int
    """About, to be said before a download; the hub knows exactly."""
    licence: str


_RESERVED = "CC-BY-NC-4.0, not for business"

KNOWN = (
    KnownWeights(
        name="depth-anything-v2-small",
        hub="depth-anything/Depth-Anything-V2-Small-hf",
        kind="depth",
        what="relative depth, the best for its size",
        megabytes=99,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="depth-anything-v2-base",
        hub="depth-anything/Depth-Anything-V2-Base-hf",
        kind="depth",
        what="relative depth",
        megabytes=390,
        licence=_RESERVED,
    ),
    KnownWeights(
        name="depth-anything-v2-large",
        hub="depth-anything/Depth-Anything-V2-Large-hf",
        kind="depth",
        what="relative depth, the finest",
        megabytes=1341,
        licence=_RESERVED,
    ),
    KnownWeights(
        name="depth-anything-v2-indoor",
        hub="depth-anything/Depth-Anything-V2-Metric-Indoor-Small-hf",
        kind="depth",
        what="depth in metres, indoors",
        megabytes=99,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="depth-anything-v2-outdoor",
        hub="depth-anything/Depth-Anything-V2-Metric-Outdoor-Small-hf",
        kind="depth",
        what="depth in metres, outdoors",
        megabytes=99,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="dpt-hybrid",
        hub="Intel/dpt-hybrid-midas",
        kind="depth",
        what="relative depth, MiDaS 3.0",
        megabytes=490,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="dpt-large",
        hub="Intel/dpt-large",
        kind="depth",
        what="relative depth, MiDaS 3.0",
        megabytes=1370,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="dinov2-small",
        hub="facebook/dinov2-small",
        kind="features",
        what="what looks alike, the best for its size",
        megabytes=88,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="dinov2-base",
        hub="facebook/dinov2-base",
        kind="features",
        what="what looks alike",
        megabytes=346,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="siglip2-base",
        hub="google/siglip2-base-patch16-224",
        kind="features",
        what="what looks alike, and words",
        megabytes=1501,
        licence="Apache-2.0",
    ),
    KnownWeights(
        name="clip-base",
        hub="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        kind="features",
        what="what looks alike, and words, in coarse cells",
        megabytes=605,
        licence="MIT",
    ),
)
"""Networks by the names that options take. Others are found by their names on the hub."""


def weights_home() -> Path:
    """The folder of downloaded weights: what RECON_WEIGHTS says, otherwise in the user's cache."""
    named = os.environ.get("RECON_WEIGHTS", "")
    if named:
        return Path(named).expanduser().resolve()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "recon" / "weights"


def hub_name(name: str) -> str:
    """Owner and name on the hub of what may be one of our short names."""
    hub = next((known.hub for known in KNOWN if known.name == name.lower()), name)
    parts = hub.split("/")
    allowed = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
    if len(parts) != 2 or not all(part and set(part) <= allowed and part.strip(".") for part in parts):
        raise InputError(
            f"{name} is neither a folder nor the name of a network.",
            advice=f"Pass a folder, OWNER/NAME as the hub calls it, or {', '.join(known.name for known in KNOWN)}.",
        )
    return hub


def weights_place(name: str) -> Path:
    """The folder where the weights of that name lie, or would."""
    return weights_home() / hub_name(name).replace("/", "--")


def weights_folder(name: str | Path) -> Path:
    """The folder with the configuration and the weights of a network: `name` itself, or where it was downloaded to.

    Raises `InputError` that says what is missing, how large it is, where to put it, and what fetches it.
    """
    given = Path(name).expanduser()
    if given.is_dir():
        _check_folder(given)
        return given
    hub = hub_name(str(name))
    for folder in (weights_place(str(name)), *_in_the_hubs_cache(hub)):
        if _is_model(folder):
            return folder
    known = next((known for known in KNOWN if known.hub == hub), None)
    size = "" if known is None else f" ({known.megabytes} MB, {known.licence})"
    raise InputError(
        f"The weights of {hub}{size} are not on this machine.",
        advice=(
            f"Download them with: recon weights get {known.name if known else hub}\n"
            f"Or put the folder with its config.json and model.safetensors at {weights_place(str(name))}."
        ),
    )


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").is_file() and any(any(folder.glob(pattern)) for pattern in WEIGHT_FILES)


def _check_folder(folder: Path) -> None:
    if not (folder / "config.json").is_file():
        raise InputError(
            f"{folder} holds no config.json, so nobody knows what network it is.",
            advice="Pass the folder that save_pretrained of transformers wrote, or that recon weights get made.",
        )
    if not _is_model(folder):
        unfinished = any(folder.glob("*.part"))
        raise InputError(
            f"{folder} holds no weights{': the download did not finish' if unfinished else ''}.",
            advice="Run recon weights get again: it goes on." if unfinished else "Put model.safetensors there.",
        )


def _in_the_hubs_cache(hub: str) -> list[Path]:
    """Snapshots that other programs downloaded, newest first."""
    home = Path(os.environ.get("HF_HOME") or "~/.cache/huggingface").expanduser()
    cache = Path(os.environ.get("HF_HUB_CACHE") or home / "hub").expanduser()
    snapshots = (cache / f"models--{hub.replace('/', '--')}" / "snapshots").glob("*")
    return sorted(snapshots, key=lambda folder: folder.stat().st_mtime, reverse=True)
