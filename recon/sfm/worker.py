"""The child process: reads a job from stdin, writes progress and the outcome to stdout, one JSON object a line."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import threading
from typing import TextIO

from recon.errors import ReconError
from recon.sfm.job import Job

_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of prctl(2)


def main() -> None:
    out = _take_stdout()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    job = Job.from_json(sys.stdin.readline())
    threading.Thread(target=_die_with_parent, daemon=True).start()

    def say(message: dict[str, object]) -> None:
        out.write(json.dumps(message) + "\n")
        out.flush()

    from recon.sfm.pipeline import run_job

    try:
        run_job(job, lambda stage, fraction: say({"stage": stage, "fraction": fraction}))
    except ReconError as error:
        say({"error": error.message, "advice": error.advice})
    else:
        say({"done": True})


def _take_stdout() -> TextIO:
    """Keep stdout for JSON: what native code prints goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _die_with_parent() -> None:
    """Where there is no prctl: the parent never closes our stdin while it lives."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
