"""A Python that has torch, numpy and jaxtyping and nothing else, as a bare GPU machine has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

__all__ = ["run_bare"]

_TORCH_NEEDS = ("typing_extensions", "sympy", "mpmath", "networkx", "jinja2", "markupsafe", "filelock", "fsspec")
_ALLOWED = ("torch", "torchgen", "functorch", "numpy", "jaxtyping", "wadler_lindig", "nvidia", "cuda", *_TORCH_NEEDS)
"""jaxtyping itself needs wadler_lindig. Where a GPU build of torch is, it brings nvidia and cuda."""

_PRELUDE = f"""
import importlib.machinery, sys
ALLOWED = {{*sys.stdlib_module_names, 'recon', 'room', *{_ALLOWED!r}}}
class OnlyAllowed(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition('.')[0]
        return super().find_spec(name, path, target) if top in ALLOWED or top.startswith('_') else None
sys.meta_path[sys.meta_path.index(importlib.machinery.PathFinder)] = OnlyAllowed
"""


def run_bare(program: str, *arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    """Run Python code where every import of another third-party package fails."""
    search = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-c", _PRELUDE + program, *arguments],
        env=os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
    )
