"""The run folder: what a training leaves behind, and all that is needed to go on from it.

config.toml      options, seed, versions and the inputs' fingerprint
sfm/             COLMAP model, usable by COLMAP itself
scene/           cameras, points and split as trained on: everything but the pictures
metrics.jsonl    one line per report
checkpoint/      the newest complete state
exports/         splat.ply and what `recon export` adds
report.html      what came out
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from recon.errors import InputError, RunError
from recon.io.checkpoint import has_checkpoint, load_checkpoint, save_checkpoint
from recon.io.disk import unwritable
from recon.io.settings import to_toml

__all__ = ["MetricsLog", "Run", "trained_already"]


@dataclass(frozen=True)
class Run:
    """Names of what lies in a run folder, and how it gets there."""

    folder: Path

    @staticmethod
    def create(folder: Path, *, overwrite: bool = False) -> Run:
        """A folder to train into; what an earlier run left there stays until `forget`.

        One that holds a checkpoint is refused unless `overwrite`, one with things that no run wrote always.
        """
        run = Run(folder)
        if folder.exists() and not folder.is_dir():
            raise InputError(f"{folder} is a file.", advice="Pass another --output.")
        if has_checkpoint(run.checkpoint) and not overwrite:
            raise trained_already(folder)
        foreign = folder.is_dir() and not run.config_file.exists() and any(folder.iterdir())
        if foreign:
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
    def metrics_file(self) -> Path:
        return self.folder / "metrics.jsonl"

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint"

    @property
    def exports(self) -> Path:
        return self.folder / "exports"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    def write_config(self, tables: Mapping[str, Any]) -> None:
        title = "# Written by recon train; read by --resume, eval, render, view and export.\n"
        _write(self.config_file, title + to_toml(tables) + "\n")

    def read_config(self) -> dict[str, Any]:
        try:
            return tomllib.loads(self.config_file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.config_file} cannot be read: {error}.", advice="Mend the file or train again."
            ) from error

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        save_checkpoint(self.checkpoint, state)

    def load_checkpoint(self) -> dict[str, Any]:
        return load_checkpoint(self.checkpoint)

    @property
    def has_checkpoint(self) -> bool:
        return has_checkpoint(self.checkpoint)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else trains into this folder meanwhile. The lock ends with the process, however it ends."""
        with (self.folder / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunError(
                    f"Another recon train is writing to {self.folder}.",
                    advice="Wait for it, stop it, or pass another --output.",
                ) from None
            yield

    def read_metrics(self) -> list[dict[str, Any]]:
        """Every whole line of the log; a line cut off by a kill is skipped."""
        if not self.metrics_file.exists():
            return []
        records = []
        for line in self.metrics_file.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):
                records.append(json.loads(line))
        return [record for record in records if isinstance(record, dict)]

    def forget(self) -> None:
        """Remove what an earlier training left. Call it holding the lock, when the new one is sure to start."""
        import shutil

        for folder in (self.checkpoint, self.folder / "checkpoint.new", self.folder / "checkpoint.old", self.scene):
            shutil.rmtree(folder, ignore_errors=True)
        for file in (self.metrics_file, self.report, self.exports / "splat.ply"):
            file.unlink(missing_ok=True)


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
        kept = [record for record in run.read_metrics() if record.get("step", 0) <= after_step]
        _write(run.metrics_file, "".join(json.dumps(record) + "\n" for record in kept))
        self._file: IO[str] = run.metrics_file.open("a", encoding="utf-8")

    def write(self, record: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(record) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()


def _write(path: Path, text: str) -> None:
    try:
        unfinished = path.with_name(path.name + ".part")
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
