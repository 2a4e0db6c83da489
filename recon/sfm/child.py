"""Running the worker: a process of its own, because some of COLMAP's failures abort the process they happen in.

The child ends when its work does, when the caller stops waiting for any reason (an exception, Ctrl-C), and when the
parent dies: it holds the other end of a pipe to the parent, see `worker.py`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from recon.errors import InputError, RunError
from recon.sfm.job import Job

__all__ = ["run_worker"]

_PATIENCE = 1.0
"""Seconds of silence after which whoever waits is asked again."""
_FULL = ("disk is full", "No space left on device")
_PERHAPS_FULL = "No registered database factory"
"""What COLMAP says when it can not write its database, among other reasons."""
_LITTLE = 64 << 20
"""Bytes: with less left, a database that could not be written found no space."""
_NOISE = re.compile(r"\s|Traceback|\*\*\*|@ |\[Errno|During handling|The above exception")
"""How lines begin that are part of a stack."""
_GLOG = re.compile(r"^[IWEF]\d{4,8} \S+ +\d+ \S+\] ")


def run_worker(job: Job, log: Path, progress: Callable[[str, float], None]) -> None:
    """Do `job` in a child process. COLMAP's own words go to `log`.

    `progress` is called at least every second, however long the child is silent: whoever waits can give up there.
    """
    # One BLAS thread per Python thread: the worker has as many of these as there are cores.
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with log.open("wb") as words:
        worker = subprocess.Popen(
            [sys.executable, "-m", "recon.sfm.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            env=environment,
        )
    try:
        done = _listen(worker, job, progress)
        status = worker.wait()
    finally:
        worker.kill()
        worker.wait()
        for pipe in (worker.stdin, worker.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):  # what it never read
                    pipe.close()
    if not done or status != 0:
        raise _died(status, log)


def _listen(worker: subprocess.Popen[bytes], job: Job, progress: Callable[[str, float], None]) -> bool:
    """Hand over the job, pass on what the child says, until it says no more. True when it said that it is done."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    try:
        worker.stdin.write(job.to_json().encode() + b"\n")
        worker.stdin.flush()  # and stays open: its end tells the child that the parent is gone
    except BrokenPipeError:
        return False
    said = ("Getting ready", 0.0)
    for line in _lines(worker.stdout, every=_PATIENCE):
        message = {} if line is None else json.loads(line)
        if "error" in message:
            raise InputError(message["error"], advice=message["advice"])
        if "done" in message:
            return True
        if "stage" in message:
            said = message["stage"], message["fraction"]
        progress(*said)
    return False


def _lines(pipe: IO[bytes], *, every: float) -> Iterator[bytes | None]:
    """Lines as they come, to the end of the pipe; None after `every` seconds without one."""
    begun = b""
    while True:
        ready, _, _ = select.select([pipe], [], [], every)
        if len(ready) == 0:
            yield None
            continue
        read = os.read(pipe.fileno(), 1 << 16)
        if read == b"":
            return
        *whole, begun = (begun + read).split(b"\n")
        yield from whole


def _died(status: int, log: Path) -> RunError:
    words = log.read_text(errors="replace")
    free = shutil.disk_usage(log.parent).free
    if any(phrase in words for phrase in _FULL) or (_PERHAPS_FULL in words and free < _LITTLE):
        return RunError(
            f"There is no space left in {log.parent} to find poses in ({free >> 20} MB free).",
            advice="Free some space there, or choose another --output.",
        )
    lines = [_GLOG.sub("", line) for line in words.splitlines() if line.strip() and not _NOISE.match(line)]
    how = f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit code {status}"
    said = lines[-1].strip().rstrip(".") if lines else "nothing"
    advice = f"The log is {log}. Fewer or smaller photos help where memory ran out."
    return RunError(f"Pose estimation broke down ({how}); its last words: {said}.", advice=advice)
