"""Networks from the Hugging Face hub: what a repository there holds, and the files that transformers needs of it.

The hub says the checksum of every file; weights are taken as safetensors only.
"""

from __future__ import annotations

import fnmatch
import http.client
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon.errors import RunError
from recon.io.disk import write_whole
from recon.io.download import RemoteFile, download, open_url
from recon.priors.weights import KNOWN, hub_name, weights_place

__all__ = ["HubModel", "fetch_weights", "look_up"]

_WANTED = ("config.json", "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
_TEXT = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.json", "merges.txt", "vocab.txt")
_LARGEST_ANSWER = 16 << 20

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class HubModel:
    """One state of a repository on the hub."""

    name: str
    revision: str
    """The commit."""
    files: Mapping[str, RemoteFile]
    """What is to be downloaded, by name."""

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(file.size for file in self.files.values())


def look_up(name: str) -> HubModel:
    """What the hub has under a name, ours or its own. Raises `ReconError` where it has nothing that can be used."""
    hub, host = hub_name(name), os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    address = f"{host}/api/models/{hub}/revision/main?blobs=true"
    try:
        with open_url(address) as answer:
            said = json.loads(answer.read(_LARGEST_ANSWER))
        revision = str(said["sha"])
        files = {
            entry["rfilename"]: _remote(f"{host}/{hub}/resolve/{revision}/{entry['rfilename']}", entry)
            for entry in said["siblings"]
            if any(fnmatch.fnmatchcase(entry["rfilename"], wanted) for wanted in (*_WANTED, *_WEIGHTS, *_TEXT))
            and "/" not in entry["rfilename"]
        }
    except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException) as error:
        raise RunError(
            f"{address} does not answer as the hub does ({type(error).__name__}).", advice="Check HF_ENDPOINT."
        ) from error
    if "config.json" not in files or not any(file.endswith(".safetensors") for file in files):
        raise RunError(
            f"{hub} offers no config.json with weights in safetensors, and nothing else is downloaded.",
            advice="Choose another network: recon weights lists those that recon knows.",
        )
    return HubModel(hub, revision, files)


def fetch_weights(model: HubModel, progress: Progress = lambda done, what: None) -> Path:
    """The folder with all its files, each brought whole and checked, config.json last. Interrupted, it goes on."""
    folder, done = weights_place(model.name), 0
    last = sorted(model.files, key=lambda name: (name == "config.json", name))
    for name in last:
        file = model.files[name]

        def part(share: float, what: str, before: int = done, size: int = file.size) -> None:
            progress((before + share * size) / max(model.size, 1), what)

        download(file, folder / name, part)
        done += file.size
    _remember(folder, model)
    return folder


def _remember(folder: Path, model: HubModel) -> None:
    """Beside the files, where they came from."""
    known = next((known for known in KNOWN if known.hub == model.name), None)
    said = {
        "hub": model.name,
        "revision": model.revision,
        "licence": known.licence if known is not None else None,
        "files": {name: file.sha256 or f"git:{file.git_sha1}" for name, file in model.files.items()},
    }
    write_whole(folder / "source.json", json.dumps(said, indent=1).encode())


def _remote(url: str, entry: Mapping[str, Any]) -> RemoteFile:
    """A file in the hub's words: large ones have a SHA-256, small ones git's name."""
    large = entry.get("lfs")
    return RemoteFile(
        url=url,
        size=int(entry["size"]),
        sha256=str(large["sha256"]) if large else "",
        git_sha1="" if large else str(entry["blobId"]),
    )
