"""Calling recon as a script does."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from recon.cli.main import main

RECON = (sys.executable, "-m", "recon.cli.main")
STEPS = 24
SMALL = ("--steps", str(STEPS), "--no-viewer", "--quiet", "--hold-out", "3", "gaussians", "--max-gaussians", "900")
"""Options of a training that takes a second."""
Said = pytest.CaptureFixture[str]


def result(said: Said, *arguments: object) -> dict[str, Any]:
    """What a command prints as JSON, and nothing else, on stdout."""
    assert main([str(argument) for argument in (*arguments, "--json")]) == 0
    return json.loads(said.readouterr().out)


def refusal(said: Said, *arguments: object) -> str:
    """What a command that cannot work says; never a traceback, never anything on stdout."""
    assert main([str(argument) for argument in arguments]) == 2
    out, err = said.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err
