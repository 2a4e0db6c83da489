"""The run folder: what a training leaves behind, and all that is needed to go on from it.

config.toml      options, seed, versions and the inputs' fingerprint
sfm/             COLMAP model, usable by COLMAP itself
scene/           cameras, points and split as trained on: everything but the pictures
depth/           what stereo said of the photos, if it was asked
metrics.jsonl    one line per report
checkpoint/      the newest complete state
exports/         splat.ply and what `recon export` adds
exports.jsonl    one line per exported file: where it is, its frame, and how much like the model it looks
report.html      what came out
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from recon.errors import InputError, RunError
from recon.io.checkpoint import forget_checkpoint, has_checkpoint, load_checkpoint, save_checkpoint
from recon.io.disk import write_whole
from recon.io.parsing import parse_json, parse_toml
from recon.io.settings import to_toml

__all__ = ["MetricsLog", "Run", "trained_already"]

_LOCK = ".lock"
"""File that whoever trains into the folder holds a lock on. It stays where that was all that came of it."""


@dataclass(frozen=True)
class Run:
    """Names of what lies in a run folder, and how it gets there."""

    folder: Path

    @staticmethod
    def create(folder: Path, *, overwrite: bool = False) -> Run:
        """A folder to train into; what an earlier run left there stays until `begin`.

        One that holds a checkpoint is refused unless `overwrite`, one with things that no run wrote always.
        """
        run = Run(folder)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file.", advice="Pass another --output.")
        if has_checkpoint(run.checkpoint) and not overwrite:
            raise trained_already(folder)
        if folder.is_dir() and not run.config_file.exists() and any(entry.name != _LOCK for entry in folder.iterdir()):
            raise InputError(f"{folder} holds other files.", advice="Pass an --output that is new or empty.")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{folder} could not be made: {error.strerror}.", advice="Pass another --output."
            ) from error
        return run

    @staticmethod
    def open(folder: Path) -> Run:
        """An existing run."""
        if not (folder / "config.toml").is_file():
            why = "is not a run: it has no config.toml" if folder.exists() else "does not exist"
            raise RunError(f"{folder} {why}.", advice="Pass a folder that recon train wrote, such as runs/scene.")
        return Run(folder)

    @property
    def config_file(self) -> Path:
        return self.folder / "config.toml"

    @property
    def sfm(self) -> Path:
        return self.folder / "sfm"

    @property
    def scene(self) -> Path:
        return self.folder / "scene"

    @property
    def depth(self) -> Path:
        return self.folder / "depth"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def exports(self) -> Path:
        return self.folder / "exports"

    @property
    def exports_log(self) -> Path:
        return self.folder / "exports.jsonl"

    @property
    def features(self) -> Path:
        return self.folder / "features"

    @property
    def selections(self) -> Path:
        return self.folder / "selections.safetensors"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def write_config(self, tables: Mapping[str, Any]) -> None:
        title = "# Written by recon train; read by --resume, eval, render, view and export.\n"
        write_whole(self.config_file, f"{title}{to_toml(tables)}\n".encode())

    def read_config(self) -> dict[str, Any]:
        try:
            return parse_toml(self.config_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.config_file} cannot be read: {error}.", advice="Mend the file or train again."
            ) from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        save_checkpoint(self.checkpoint, state)

    def load_checkpoint(self, *, like: Mapping[str, Tensor] | None = None) -> dict[str, Any]:
        return load_checkpoint(self.checkpoint, like=like)

    @property
    def has_checkpoint(self) -> bool:
        return has_checkpoint(self.checkpoint)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else trains into this folder meanwhile. The lock ends with the process, however it ends."""
        with (self.folder / _LOCK).open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunError(
                    f"Another recon train is writing to {self.folder}.",
                    advice="Wait for it, stop it, or pass another --output.",
                ) from None
            yield

    def read_metrics(self) -> list[dict[str, Any]]:
        """Every whole line of the log; a line cut off by a kill, or that says no step and losses, is skipped."""
        if not self.metrics_file.exists():
            return []
        records = []
        for line in self.metrics_file.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                records.append(parse_json(line))
        return [record for record in records if _is_record(record)]

    def sfm_to_fill(self) -> Path:
        """Where to find poses in: `sfm`; beside it while a trained run is there, until `begin`.

        What was found for the same photos before counts there, too: finished stages are linked, not copied.
        """
        if not self.has_checkpoint:
            return self.sfm
        self._sfm_beside.mkdir(exist_ok=True)
        part = self._sfm_beside / ".part"
        for stage in self.sfm.glob("*"):
            if stage.is_dir() and not (self._sfm_beside / stage.name).exists():
                shutil.rmtree(part, ignore_errors=True)
                shutil.copytree(stage, part, symlinks=True, copy_function=_link)
                part.rename(self._sfm_beside / stage.name)
        return self._sfm_beside

    def begin(self, tables: Mapping[str, Any]) -> None:
        """Put a new training, which config.toml describes by `tables`, in the place of an earlier one.

        Call it holding the lock, when the new one is sure to start. Killed halfway, no checkpoint is left of either.
        """
        beside = (self.folder / "checkpoint.new", self.folder / "checkpoint.old")
        for folder in (*beside, self.checkpoint):
            forget_checkpoint(folder)
        self.write_config(tables)
        shutil.rmtree(self.scene, ignore_errors=True)
        for file in (self.metrics_file, self.report, self.exports_log, self.exports / "splat.ply"):
            file.unlink(missing_ok=True)
        if self._sfm_beside.exists():
            shutil.rmtree(self.sfm, ignore_errors=True)
            self._sfm_beside.rename(self.sfm)

    def forget_beside(self) -> None:
        """Remove poses that were found for a training that never began."""
        shutil.rmtree(self._sfm_beside, ignore_errors=True)

    @property
    def _sfm_beside(self) -> Path:
        return self.folder / "sfm.new"


def trained_already(folder: Path) -> InputError:
    """There is a run in the way."""
    return InputError(
        f"{folder} already holds a trained run.",
        advice=f"Continue it with recon train --resume {folder}, replace it with --overwrite, "
        "or pass another --output.",
    )


class MetricsLog:
    """Appends to metrics.jsonl, each line at once on its way to disk."""

    def __init__(self, run: Run, *, after_step: int) -> None:
        """Keeps the lines up to `after_step`: what came later will come again."""
        kept = [record for record in run.read_metrics() if record["step"] <= after_step]
        write_whole(run.metrics_file, "".join(json.dumps(record) + "\n" for record in kept).encode())
        self._file = run.metrics_file.open("ab", buffering=0)

    def write(self, record: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(record).encode() + b"\n")
        except OSError as error:
            error.filename = self._file.name  # which the system does not say
            raise

    def close(self) -> None:
        self._file.close()


def _is_record(record: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("step"), int):
        return False
    losses = record.get("losses", {})
    return isinstance(losses, dict) and all(isinstance(loss, int | float) for loss in losses.values())


def _link(source: str, target: str) -> None:
    """A second name for a file that nobody changes, or a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
