"""What came out of a run, kept in the run."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from recon.cli.console import Console
from recon.export.table import KindName
from recon.export.work import Written
from recon.io.disk import cause_of
from recon.io.run import Run

__all__ = ["remember"]


def remember(run: Run, path: Path, kind: KindName, written: Written, console: Console) -> dict[str, Any]:
    """A line in exports.jsonl for a file or folder that was written; what it says but for the time.

    Where the run may not be written to, that is a note: the file is there all the same.
    """
    size = sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size
    described = {"file": str(path), "kind": kind, "bytes": size, **written.facts}
    line = json.dumps({"time": datetime.now(UTC).isoformat(timespec="seconds"), **described})
    try:
        with run.exports_log.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    except OSError as error:
        console.warn(f"{run.exports_log} could not be written: {cause_of(error)}. {path} is whole; its run forgets it.")
    return described
