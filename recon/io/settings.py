"""Options as text that people read: nested frozen dataclasses to TOML and back.

A dataclass becomes a table; where the type leaves a choice (`AdaptiveDensity | Mcmc`) the table says which as `kind`.
None is left out, for TOML has no such value. Files of a run are read through here, too: whatever somebody's editor or
disk did to one is found where it is read, and said by name.
"""

from __future__ import annotations

import functools
import json
import reprlib
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from recon.errors import RunError

__all__ = ["from_plain", "to_plain", "to_toml"]

T = TypeVar("T")

_LEAVES: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a whole number"),
    float: ((int, float), "a number"),
    str: ((str,), "text"),
    Path: ((str,), "a path"),
}
"""What may stand in a file for each type, and its name."""
_SHORT = reprlib.Repr()
"""Values as Python writes them, but little of long or deep ones."""
_SHORT.maxstring = _SHORT.maxother = 60
_MEND = "Put the file back as it was, or train anew into another --output."


def to_plain(value: Any) -> Any:
    """Dataclasses as dicts of what TOML holds."""
    if is_dataclass(value):
        items = {field.name: getattr(value, field.name) for field in fields(value)}
        plain = {name: to_plain(item) for name, item in items.items() if item is not None}
        return {"kind": type(value).__name__, **plain}
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, tuple | list):
        return [to_plain(item) for item in value]
    return value


def from_plain(kind: type[T], plain: Any, *, where: str = "options") -> T:
    """The `kind` that `to_plain` was given, of what TOML or JSON holds.

    Fields that are absent take their default; unknown ones, missing ones and values of another type raise `RunError`.
    `where` begins its sentence, as "config.toml is not whole: options" does.
    """
    return _build(kind, plain, where)


def to_toml(tables: Mapping[str, Any], *, prefix: str = "") -> str:
    """TOML text of nested tables, numbers, texts, booleans and lists of them."""
    lines = [f"{_key(name)} = {_value(value)}" for name, value in tables.items() if not isinstance(value, Mapping)]
    for name, value in tables.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{prefix}{_key(name)}]", to_toml(value, prefix=f"{prefix}{_key(name)}.")]
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else json.dumps(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _build(kind: Any, plain: Any, where: str) -> Any:
    origin, choices = get_origin(kind), get_args(kind)
    if origin is typing.Annotated:
        return _build(choices[0], plain, where)
    if origin in (typing.Union, types.UnionType):
        return _choose([_bare(choice) for choice in choices], plain, where)
    if origin is typing.Literal:
        if not any(plain == choice and type(plain) is type(choice) for choice in choices):
            raise _wrong(where, plain, "one of " + ", ".join(map(str, choices)))
        return plain
    if origin is tuple:
        return _build_tuple(choices, plain, where)
    if is_dataclass(kind):
        return _build_dataclass(kind, plain, where)
    return _build_leaf(kind, plain, where)


def _build_leaf(kind: Any, plain: Any, where: str) -> Any:
    assert kind in _LEAVES, f"{where}: {kind} is no type of a setting"
    accepted, name = _LEAVES[kind]
    if not isinstance(plain, accepted) or (isinstance(plain, bool) and kind is not bool):
        raise _wrong(where, plain, name)
    if isinstance(plain, str) and "\0" in plain:  # the system takes it for the end of a path
        raise _wrong(where, plain, name)
    try:
        return kind(plain)
    except OverflowError:
        raise _wrong(where, plain, name) from None


def _build_tuple(choices: tuple[Any, ...], plain: Any, where: str) -> Any:
    if not isinstance(plain, list | tuple):
        raise _wrong(where, plain, "a list")
    items = choices[:1] * len(plain) if choices[-1] is Ellipsis else choices
    if len(items) != len(plain):
        raise _wrong(where, plain, f"a list of {len(items)}")
    return tuple(
        _build(item, value, f"{where}.{at}") for at, (item, value) in enumerate(zip(items, plain, strict=True))
    )


def _choose(choices: list[Any], plain: Any, where: str) -> Any:
    """The member of a union that `plain` is."""
    if plain is None and type(None) in choices:
        return None
    tables = [choice for choice in choices if is_dataclass(choice)]
    leaves = [choice for choice in choices if not is_dataclass(choice) and choice is not type(None)]
    if isinstance(plain, Mapping) or len(leaves) == 0:
        kind = plain.get("kind") if isinstance(plain, Mapping) else plain
        named = [choice for choice in tables if getattr(choice, "__name__", "") == kind]
        if len(named) == 0:
            raise _unknown(where, f"kind {kind!r}")
        return _build(named[0], plain, where)
    for leaf in leaves[:-1]:
        try:
            return _build(leaf, plain, where)
        except RunError:
            continue
    return _build(leaves[-1], plain, where)


def _bare(kind: Any) -> Any:
    """The type under its annotations."""
    return _bare(get_args(kind)[0]) if get_origin(kind) is typing.Annotated else kind


def _build_dataclass(kind: Any, plain: Any, where: str) -> Any:
    if not isinstance(plain, Mapping):
        raise _wrong(where, plain, "a table")
    hints = _hints(kind)
    values = {name: value for name, value in plain.items() if name != "kind"}
    unknown = sorted(values.keys() - hints.keys())
    if unknown:
        raise _unknown(where, f"the option {unknown[0]}")
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]
    missing = [name for name in needed if name not in values]
    if missing:
        raise RunError(f"{where}.{missing[0]} is missing.", advice=_MEND)
    return kind(**{name: _build(hints[name], value, f"{where}.{name}") for name, value in values.items()})


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}


def _wrong(where: str, plain: Any, wanted: str) -> RunError:
    return RunError(f"{where} is {_SHORT.repr(plain)}, not {wanted}.", advice=_MEND)


def _unknown(where: str, what: str) -> RunError:
    return RunError(
        f"{where} has {what}, which this version of recon does not know.",
        advice="Use the version named in the run's config.toml, or train again.",
    )
