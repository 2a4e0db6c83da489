"""`recon weights`: networks that others trained, and the only command that downloads them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.errors import InputError

__all__ = ["Options", "run"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Networks that others trained, for depth and features: which there are, and which are on this machine.

    `recon weights get NAME` downloads one from the Hugging Face hub, goes on where a download broke off, and keeps it
    only if its checksum is right. They lie in ~/.cache/recon/weights, or where RECON_WEIGHTS says.
    """

    action: Annotated[tyro.conf.Positional[Literal["list", "get"]], tyro.conf.arg(metavar="list|get")] = "list"
    """What to do."""
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")] = ""
    """A name from the list, or OWNER/NAME as the hub calls it."""


def run(options: Options, console: Console) -> dict[str, Any]:
    if options.action == "list":
        return _list(options)
    if options.name == "":
        raise InputError("recon weights get needs a name.", advice="recon weights lists those that recon knows.")
    folder = _get(options.name, console)
    if not options.json:
        print(folder)
    return {"folder": str(folder)}


def _list(options: Options) -> dict[str, Any]:
    from recon.priors.weights import KNOWN, weights_folder, weights_home

    found: dict[str, str | None] = {}
    for known in KNOWN:
        try:
            found[known.name] = str(weights_folder(known.hub))
        except InputError:
            found[known.name] = None
    if not options.json:
        for known in KNOWN:
            here = "here" if found[known.name] else f"{known.megabytes} MB"
            print(f"{known.name:<26}{known.kind:<14}{here:>8}   {known.what}; {known.licence}")
        print(f"\nDownloaded ones lie in {weights_home()}. recon weights get NAME brings one.")
    return {"home": str(weights_home()), "networks": found}


def _get(name: str, console: Console) -> Path:
    from recon.priors.hub import fetch_weights, look_up

    model = look_up(name)
    console.say(f"{model.name}: {model.size / 1e6:.1f} MB from {next(iter(model.files.values())).url.split('/')[2]}")
    with console.stage("download") as stage:
        folder = fetch_weights(model, stage.progress)
        stage.result = f"{len(model.files)} files, checksums right"
    return folder
