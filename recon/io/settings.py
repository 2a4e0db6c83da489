"""Options as text that people read: nested frozen dataclasses to TOML and back.

A dataclass becomes a table; where the type leaves a choice (`AdaptiveDensity | Mcmc`) the table says which as `kind`.
None is left out, for TOML has no such value.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from recon.errors import RunError

__all__ = ["from_plain", "to_plain", "to_toml"]

T = TypeVar("T")


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
    """The `kind` that `to_plain` was given. Fields that are absent take their default; unknown ones raise."""
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
        return _choose([choice for choice in choices if choice is not type(None)], plain, where)
    if origin is tuple:
        items = choices[:1] * len(plain) if choices[-1] is Ellipsis else choices
        return tuple(_build(item, value, where) for item, value in zip(items, plain, strict=True))
    if is_dataclass(kind):
        return _build_dataclass(kind, plain, where)
    if kind in (Path, float):
        return kind(plain)
    return plain


def _choose(choices: list[Any], plain: Any, where: str) -> Any:
    """The member of a union that `plain` is."""
    while any(get_origin(choice) is typing.Annotated for choice in choices):
        choices = [get_args(choice)[0] if get_origin(choice) is typing.Annotated else choice for choice in choices]
    choices = [choice for choice in choices if choice is not type(None)]
    if isinstance(plain, Mapping):
        named = [
            choice
            for choice in choices
            if is_dataclass(choice) and getattr(choice, "__name__", "") == plain.get("kind")
        ]
        if len(named) == 0:
            raise _unknown(where, f"kind {plain.get('kind')!r}")
        return _build(named[0], plain, where)
    return _build(next((choice for choice in choices if not is_dataclass(choice)), str), plain, where)


def _build_dataclass(kind: Any, plain: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind, include_extras=True)
    values = {name: value for name, value in plain.items() if name != "kind"}
    unknown = sorted(values.keys() - {field.name for field in fields(kind)})
    if unknown:
        raise _unknown(where, f"the option {unknown[0]}")
    return kind(**{name: _build(hints[name], value, f"{where}.{name}") for name, value in values.items()})


def _unknown(where: str, what: str) -> RunError:
    return RunError(
        f"{where} has {what}, which this version of recon does not know.",
        advice="Use the version named in the run's config.toml, or train again.",
    )
