"""Ctrl-C in the first moments, while the program is still loading."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recon.cli import main as entry
from recon.cli.main import main

LOADING = """
import os, signal, sys
sys.argv = ["recon", "info", "."]
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from recon.cli.main import main
sys.exit(main())
"""


@pytest.mark.parametrize("module", ["recon.cli.command", "json", "recon.cli.console", "recon.cli.info", "tyro"])
def test_ctrl_c_while_a_module_is_loaded_leaves_no_traceback(module: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOADING.format(module=module)]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 130
    assert "Interrupted." in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_second_ctrl_c_while_the_first_is_told_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def again(*_: object) -> int:
        signal.raise_signal(signal.SIGINT)
        return 0

    monkeypatch.setattr(entry, "_main", again)
    assert main(["info", "."]) == 130
    assert capsys.readouterr().err == "recon: Interrupted.\n"
