"""Depth networks of transformers, from a folder: only the right kind, complete, and never by running what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from recon.errors import InputError, MissingDependencyError
from recon.io.parsing import parse_json
from recon.priors.reading import in_words, quietly
from recon.priors.weights import weights_folder

__all__ = ["LoadedNetwork", "load_network"]

_CLASSES = ("DepthAnythingForDepthEstimation", "DPTForDepthEstimation")


@dataclass(frozen=True)
class LoadedNetwork:
    """A network and what prepares its pictures."""

    folder: Path
    net: nn.Module
    processor: Any
    patch: int
    """Side in pixels of what it sees as one."""
    kind: Literal["metric", "relative"]
    """Whether it answers metres, or inverse depth that lacks a scale and a shift."""


def load_network(name: str | Path) -> LoadedNetwork:
    """The network of that name or in that folder. Raises `ReconError` where it is absent, damaged or another kind."""
    folder = weights_folder(name)
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            "Depth networks are read by transformers, which is not installed.",
            advice="pip install -c constraints.txt 'transformers>=5.20'",
        ) from error
    config = _config(folder)
    with in_words(folder), quietly(transformers):
        processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil", local_files_only=True)
        net, said = getattr(transformers, config["architectures"][0]).from_pretrained(
            folder, local_files_only=True, output_loading_info=True, weights_only=True
        )
    lacking = sorted({*said["missing_keys"], *(str(entry[0]) for entry in said["mismatched_keys"])})
    if lacking:
        raise InputError(
            f"The weights in {folder} do not fit its config.json: {len(lacking)} are missing, {lacking[0]} first.",
            advice="Download them again, or pass another folder.",
        )
    patch = getattr(net.config, "patch_size", 16)
    return LoadedNetwork(
        folder=folder,
        net=net.eval().requires_grad_(False),
        processor=processor,
        patch=int(patch if isinstance(patch, int) else max(patch)),
        kind="metric" if getattr(net.config, "depth_estimation_type", "relative") == "metric" else "relative",
    )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = parse_json((folder / "config.json").read_text())
        (kind,) = config["architectures"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'config.json'} does not say what network it is.", advice="Pass another folder."
        ) from error
    if kind not in _CLASSES:
        raise InputError(
            f"{folder} holds a {kind}, which does not estimate depth in a way that recon knows.",
            advice=f"Pass one of these: {', '.join(_CLASSES)}. recon weights lists some.",
        )
    if not (folder / "preprocessor_config.json").is_file():
        raise InputError(
            f"{folder} lacks preprocessor_config.json, which says how pictures are prepared.",
            advice="Put it beside config.json, or download the network again.",
        )
    return config
