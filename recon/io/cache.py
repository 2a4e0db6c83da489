"""Work that is done once: results kept under a key made of everything they depend on.

A stage is a folder. It is filled beside its place and renamed into it when complete, so that it is either there with
its key or not there at all, whatever stopped the program.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, is_dataclass
from pathlib import Path

from recon.errors import InputError
from recon.io.disk import regular
from recon.io.parsing import parse_json

__all__ = ["content_key", "fill_stage", "has_stage", "hash_files", "is_ours"]

_KEY_FILE = "stage.json"


def content_key(*parts: object) -> str:
    """32 hex digits that change when a part does. Files count by their contents, not by their names or dates.

    Parts are paths of files, dataclasses, mappings, sequences, strings, numbers and None, nested as you like.
    """
    paths: set[Path] = set()
    for part in parts:
        _collect(part, paths)
    ordered = sorted(paths)
    digests = dict(zip(ordered, hash_files(ordered), strict=True))
    text = json.dumps([_plain(part, digests) for part in parts], separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def hash_files(paths: Iterable[Path]) -> list[str]:
    """Digest of each file's contents, read on all cores."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_hash_file, paths))


def has_stage(folder: Path, key: str) -> bool:
    """Does `folder` hold the complete result of `key`?"""
    try:
        return parse_json((folder / _KEY_FILE).read_text())["key"] == key
    except (OSError, ValueError, KeyError, TypeError):
        return False


def is_ours(folder: Path) -> bool:
    """May `folder` be replaced: is it a stage, empty, or not there?"""
    return not folder.exists() or (folder / _KEY_FILE).exists() or (folder.is_dir() and not any(folder.iterdir()))


def fill_stage(folder: Path, key: str, fill: Callable[[Path], None]) -> bool:
    """Make `folder` hold the result of `key`, by `fill(empty folder)` unless it does already. True when it had to.

    What `folder` held for another key goes, but only when the new result is complete. A folder that is no stage stays.
    """
    if has_stage(folder, key):
        return False
    if not is_ours(folder):
        raise InputError(f"{folder} is there already, and not recon's own.", advice="Choose another output folder.")
    part, old = folder.with_name(f".{folder.name}.part"), folder.with_name(f".{folder.name}.old")
    for left_behind in (part, old):
        shutil.rmtree(left_behind, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        fill(part)
        (part / _KEY_FILE).write_text(json.dumps({"key": key}))
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return True


def _hash_file(path: Path) -> str:
    try:
        with regular(path).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}).", advice="Check that it is still there."
        ) from error


def _collect(part: object, paths: set[Path]) -> None:
    if isinstance(part, Path):
        paths.add(part)
    elif is_dataclass(part) and not isinstance(part, type):
        for field in fields(part):
            _collect(getattr(part, field.name), paths)
    elif isinstance(part, dict):
        for value in part.values():
            _collect(value, paths)
    elif isinstance(part, list | tuple):
        for value in part:
            _collect(value, paths)


def _plain(part: object, digests: dict[Path, str]) -> object:
    """The part as JSON, with types told apart: the string "1" is not the number 1, a dataclass is not a tuple."""
    if isinstance(part, Path):
        return {"file": digests[part]}
    if is_dataclass(part) and not isinstance(part, type):
        values = {field.name: _plain(getattr(part, field.name), digests) for field in fields(part)}
        return {type(part).__name__: values}
    if isinstance(part, dict):
        return {"dict": [[_plain(key, digests), _plain(part[key], digests)] for key in sorted(part, key=repr)]}
    if isinstance(part, list | tuple):
        return [_plain(value, digests) for value in part]
    if part is None or isinstance(part, str | int | float | bool):
        return part
    raise TypeError(f"{type(part).__name__} has no content key")
