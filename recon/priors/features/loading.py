"""Networks of transformers from a folder: of the right kind, whole, and never by running what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon.errors import InputError, MissingDependencyError
from recon.io.parsing import parse_json
from recon.priors.features.preparation import Preparation, read_preparation
from recon.priors.features.towers import KINDS, Tower
from recon.priors.reading import in_words, quietly
from recon.priors.weights import weights_folder

__all__ = ["Loaded", "load_network"]

_UNUSED = ("pooler.", "embeddings.mask_token")
"""Parts that some folders lack and nobody here asks."""


@dataclass(frozen=True)
class Loaded:
    """A network, what prepares its photos, and what reads its words."""

    folder: Path
    net: Any
    tower: Tower
    preparation: Preparation
    tokenizer: Any
    """None where there are no words."""
    patch: int
    """Pixels along the side of what it sees as one; of maps, by which sizes must divide."""
    native: int
    """Pixels along the side of the photos that it was trained with."""


def load_network(name: str) -> Loaded:
    """By a name of `recon weights`, OWNER/NAME on the hub, or a folder. Raises `ReconError` that says what lacks."""
    folder = weights_folder(name)
    try:
        import transformers
    except ImportError as error:
        raise MissingDependencyError(
            "Networks are read by transformers, which is not installed.",
            advice="pip install -c constraints.txt 'transformers>=5.20', or use --extractor classical.",
        ) from error
    tower = _tower_of(folder)
    preparation = read_preparation(folder)
    with in_words(folder), quietly(transformers):
        net, said = transformers.AutoModel.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False, output_loading_info=True, weights_only=True
        )
        tokenizer = None
        if tower.words:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, local_files_only=True, trust_remote_code=False
            )
    lacking = {*said["missing_keys"], *(str(entry[0]) for entry in said["mismatched_keys"])}
    lacking = sorted(key for key in lacking if not key.startswith(_UNUSED))
    if lacking:
        raise InputError(
            f"The weights in {folder} do not fit its config.json: {len(lacking)} are missing, {lacking[0]} first.",
            advice="Download them again, or pass another folder.",
        )
    config = getattr(net.config, "vision_config", net.config)
    return Loaded(
        folder=folder,
        net=net.eval().requires_grad_(False),
        tower=tower,
        preparation=preparation,
        tokenizer=tokenizer,
        patch=32 if tower.way == "maps" else int(config.patch_size),
        native=int(getattr(config, "image_size", 224) or 224),
    )


def _tower_of(folder: Path) -> Tower:
    try:
        config = parse_json((folder / "config.json").read_text(encoding="utf-8"))
        kind = str(config["model_type"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder / 'config.json'} does not say what network it is.", advice="Pass another folder."
        ) from error
    if kind not in KINDS:
        raise InputError(
            f"{folder} holds a {kind}, which does not give features in a way that recon knows.",
            advice=f"Pass one of these: {', '.join(KINDS)}. recon weights lists some.",
        )
    return KINDS[kind]
