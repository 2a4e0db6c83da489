"""Running one command: options from the command line, the result or the error to the person."""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from recon.cli.console import Console
from recon.cli.interruption import interrupt_on_termination
from recon.cli.memory import is_memory_full, whose_memory
from recon.errors import InputError, ReconError
from recon.io.disk import advice_on, cause_of, is_mendable, undone_by

__all__ = ["INTERRUPTED", "Talk", "run_command", "say_as_json"]

INTERRUPTED = 130
"""Exit code of a command stopped by Ctrl-C."""

_NO_LIBRARY = "cannot open shared object file"
_DEBIAN = {
    "libusb-1.0.so.0": "libusb-1.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libX11.so.6": "libx11-6",
}
"""Packages of the libraries that open3d takes from the system."""


@dataclass(frozen=True, kw_only=True)
class Talk:
    """Options of every command."""

    quiet: bool = False
    """No progress and no summaries: results and errors only."""
    json: bool = False
    """Print the result, or the error and advice, as one JSON object on stdout; everything else goes to stderr."""


def run_command(name: str, arguments: Sequence[str], started: float) -> int:
    """Run the command `name`; the exit code. `started`, of `time.monotonic`, is when budgets begin to count."""
    console = Console(quiet="--quiet" in arguments, started=started)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name from some file may be more than the terminal shows
    interrupt_on_termination()
    try:
        _check_text(arguments)
        module = importlib.import_module(f"recon.cli.{name.replace('-', '_')}")
        prepare = getattr(module, "arguments", list)
        options = _parse(module.Options, name, prepare(arguments))
        result: dict[str, Any] | None = module.run(options, console)
        if options.json and result is not None:
            print(json.dumps(result, allow_nan=False, default=str), flush=True)
        return 0
    except BrokenPipeError:  # the reader of our result left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except SystemExit as usage:  # of the parser, after --help or what it could not read
        if usage.code == 2 and "--json" in arguments:
            say_as_json(f"recon {name} cannot be called like that; stderr says why.", f"Look at recon {name} --help.")
        raise
    except KeyboardInterrupt as interruption:
        said, code = ("Interrupted.", str(interruption)), INTERRUPTED
    except (ReconError, ImportError, OSError, MemoryError, RuntimeError) as error:
        mendable = _what_to_mend(error)
        if mendable is None:
            raise
        said, code = mendable, 2
    console.error(*said)
    if "--json" in arguments:
        say_as_json(*said)
    return code


def say_as_json(error: str, advice: str) -> None:
    """What is wrong, as `--json` prints it."""
    print(json.dumps({"error": error, "advice": advice}), flush=True)


def _what_to_mend(error: Exception) -> tuple[str, str] | None:
    """What is wrong and what to do about it, where the person can do something."""
    match error:
        case ReconError():
            return error.message, error.advice
        case ImportError() if _NO_LIBRARY in str(error):
            library = str(error).split(":")[0]
            package = _DEBIAN.get(library, "the package that holds it")
            return f"This needs {library}, which is not on this machine.", f"On Debian: apt-get install {package}"
        case OSError() if is_mendable(error):
            file = "A file" if error.filename is None else os.fsdecode(error.filename)
            return f"{file} could not be {undone_by(error)}: {cause_of(error)}.", advice_on(error)
        case MemoryError() | RuntimeError() if is_memory_full(error):
            advice = "Close other programs that use it, or ask for less: smaller pictures, fewer points."
            return f"{whose_memory(error)} is full.", advice
        case _:
            return None


def _check_text(arguments: Sequence[str]) -> None:
    """Paths are written into files of UTF-8, where a name in another encoding cannot stand."""
    for argument in arguments:
        try:
            argument.encode()
        except UnicodeEncodeError:
            shown = os.fsencode(argument).decode(errors="backslashreplace")
            raise InputError(f"{shown} is no valid UTF-8.", advice="Rename the file or folder.") from None


def _parse(options: type, name: str, arguments: Sequence[str]) -> Any:
    import tyro

    _say_no_idle_default(options)
    config = (tyro.conf.FlagCreatePairsOff, tyro.conf.CascadeSubcommandArgs, tyro.conf.OmitSubcommandPrefixes)
    return tyro.cli(options, args=list(arguments), prog=f"recon {name}", config=config)


def _say_no_idle_default(options: type) -> None:
    """Help ends in "(default: 7000)" where that tells something: not after flags, nor where absence is the default."""
    import tyro

    hints = get_type_hints(options, include_extras=True)
    for field in fields(options):
        hint, values = hints[field.name], get_type_hints(options)[field.name]
        kinds = get_args(values) or (values,)
        for kind in kinds:
            if is_dataclass(kind) and isinstance(kind, type):
                _say_no_idle_default(kind)
        if field.default is None or field.default == () or isinstance(field.default, bool):
            named = [kind.__name__.upper() for kind in kinds if kind is not NoneType and isinstance(kind, type)]
            word = named[0] if field.default is None and get_origin(hint) is not Annotated and len(named) == 1 else None
            options.__annotations__[field.name] = Annotated[hint, tyro.conf.arg(help_behavior_hint="", metavar=word)]
