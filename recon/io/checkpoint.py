"""A complete training state on disk: never half of one, whatever stops the program.

A checkpoint is a folder of two files: `tensors.safetensors`, and `state.json` with everything that is not a tensor and
the size and checksum of the first. It is written beside the old one and synced to disk; then the old one steps aside
and the new one takes its name. Killed at any point, at least one whole checkpoint is left under one of three names, and
`load_checkpoint` finds the newest. Nothing in it is a pickle.
"""

from __future__ import annotations

import json
import os
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from recon.errors import RunError
from recon.io.disk import advice_on, cause_of, sync_folder, write_synced
from recon.io.parsing import parse_json
from recon.io.tensors import Expected, check_tensors, tensors_from, tensors_to_bytes

__all__ = ["forget_checkpoint", "has_checkpoint", "load_checkpoint", "save_checkpoint"]

_TENSORS, _STATE = "tensors.safetensors", "state.json"


def save_checkpoint(folder: Path, state: Mapping[str, Any]) -> None:
    """Replace the checkpoint at `folder` by `state`: nested dicts of tensors and of what JSON holds.

    A state that cannot be written raises `RunError` and leaves the old checkpoint as it is.
    """
    new, old = _beside(folder)
    tensors, plain = _split(state)
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        data = tensors_to_bytes(tensors)
        write_synced(new / _TENSORS, data)
        described = {"tensors_bytes": len(data), "tensors_crc32": zlib.crc32(data), "state": plain}
        write_synced(new / _STATE, json.dumps(described).encode())
        sync_folder(new)
    except OSError as error:
        shutil.rmtree(new, ignore_errors=True)
        kept = " The checkpoint before it is untouched." if has_checkpoint(folder) else ""
        raise RunError(
            f"The checkpoint could not be written to {folder}: {cause_of(error)}.{kept}",
            advice=f"{advice_on(error)} Then continue with recon train --resume.",
        ) from error
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        os.rename(folder, old)
    os.rename(new, folder)
    sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def has_checkpoint(folder: Path) -> bool:
    return any((place / _STATE).is_file() for place in (folder, *_beside(folder)))


def forget_checkpoint(folder: Path) -> None:
    """Remove what `folder` holds, first what makes it a checkpoint: killed halfway, none is left."""
    (folder / _STATE).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def load_checkpoint(folder: Path, *, like: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
    """The newest whole state saved to `folder`, on the CPU.

    Where `like` is given, the state has every tensor of it: same name, same type, same shape but for the first length.
    """
    problem = "it does not exist"
    for place in (folder, *_beside(folder)):
        if not (place / _STATE).is_file():
            continue
        try:
            state = _read(place)
            check_tensors(state, _expected(like or {}))
            return state
        except (OSError, ValueError, KeyError, TypeError) as error:
            problem = str(error)
    raise RunError(
        f"The checkpoint {folder} cannot be used: {problem}.",
        advice="Train again with recon train --overwrite; a run's finished poses are kept.",
    )


def _beside(folder: Path) -> tuple[Path, Path]:
    return folder.with_name(folder.name + ".new"), folder.with_name(folder.name + ".old")


def _read(folder: Path) -> dict[str, Any]:
    try:
        described = parse_json((folder / _STATE).read_text())
    except ValueError as error:
        raise ValueError(f"{_STATE} is cut off or damaged ({error})") from error
    data = (folder / _TENSORS).read_bytes()
    if len(data) != described["tensors_bytes"]:
        raise ValueError(f"{_TENSORS} has {len(data)} of {described['tensors_bytes']} bytes")
    if zlib.crc32(data) != described["tensors_crc32"]:
        raise ValueError(f"{_TENSORS} is not what was written")
    if not isinstance(described["state"], dict):
        raise ValueError(f"{_STATE} holds no state")
    return _join(tensors_from(data), described["state"])


def _expected(like: Mapping[str, Tensor]) -> Expected:
    return {name: (tensor.dtype, (None, *tensor.shape[1:])[: tensor.ndim]) for name, tensor in like.items()}


def _split(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by path, the names on the way joined by slashes; and the same tree without them."""
    tensors: dict[str, Tensor] = {}
    plain: dict[str, Any] = {}
    for name, value in state.items():
        if isinstance(value, Tensor):
            tensors[name] = value
        elif isinstance(value, Mapping):
            inner, plain[name] = _split(value)
            tensors |= {f"{name}/{below}": tensor for below, tensor in inner.items()}
        else:
            plain[name] = value
    return tensors, plain


def _join(tensors: Mapping[str, Tensor], plain: dict[str, Any]) -> dict[str, Any]:
    for path, tensor in tensors.items():
        *way, name = path.split("/")
        place = plain
        for step in way:
            place = place[step]
        place[name] = tensor
    return plain
