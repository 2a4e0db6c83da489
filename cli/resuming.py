"""`recon train --resume`: the run to go on with, and what may be said anew about it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from recon.cli.duration import seconds_of
from recon.cli.kept import require
from recon.cli.train_options import Options
from recon.errors import InputError
from recon.io.run import Run
from recon.io.settings import from_plain

__all__ = ["continued"]

_ANEW = ("quiet", "json", "no_viewer", "port", "save_every")
"""Options of this call, whatever the run was started with."""
_ELSEWHERE = ("images", "masks", "device")
"""Options that may say that something is in another place now; without a word, it is where it was."""
_LENGTH = ("budget", "steps")
"""Options that count until training has begun."""


def continued(options: Options) -> tuple[Run, Options]:
    """The run to go on with, with the options it was started with and those that may change."""
    assert options.resume is not None
    run = Run.open(options.resume)
    config = run.read_config()
    require(run, config, "options", *(("scene", "training") if run.has_checkpoint else ()))
    kept = from_plain(Options, config["options"], where=f"{run.config_file} is not whole: options")
    given = _given(options)
    elsewhere = {name: value for name, value in given.items() if name in _ELSEWHERE}
    elsewhere |= {name: elsewhere[name].absolute() for name in ("images", "masks") if name in elsewhere}
    length = {name: value for name, value in given.items() if name in _LENGTH and not _same(kept, name, value)}
    if length and "training" in config:
        raise InputError(
            f"{run.folder} goes on with the length it was started with.",
            advice=f"Leave out --{next(iter(length))}, or train anew into another --output.",
        )
    _refuse_others(run, kept, given)
    here = {name: getattr(options, name) for name in _ANEW}
    return run, replace(kept, output=run.folder.absolute(), **here, **elsewhere, **length)


def _same(kept: Options, name: str, value: str | int) -> bool:
    """Whether the run was started with that length, however it was written: 180s or 3m."""
    before = getattr(kept, name)
    if name == "budget" and before is not None:
        return seconds_of(str(value)) == seconds_of(before)
    return value == before


def _given(options: Options) -> dict[str, Any]:
    """What differs from the defaults: what was said."""
    silent = Options()
    values = {field.name: getattr(options, field.name) for field in fields(options)}
    return {name: value for name, value in values.items() if value != getattr(silent, name)}


def _refuse_others(run: Run, kept: Options, given: dict[str, Any]) -> None:
    """Nothing that was said is passed over in silence."""
    where = given.get("output")
    same = {"resume", *_ANEW, *_ELSEWHERE, *_LENGTH}
    if where is not None and where.absolute() == run.folder.absolute():
        same.add("output")
    for name, value in given.items():
        if name in same or (name not in ("output", "overwrite") and value == getattr(kept, name)):
            continue
        option = "Another model or options of it" if name == "model" else f"--{name.replace('_', '-')}"
        raise InputError(
            f"{option} cannot be had with --resume: {run.folder} goes on as it was started.",
            advice="Leave that out, or train anew into another --output.",
        )
