"""The native module, and why it is missing when it is."""

from __future__ import annotations

from functools import cache
from types import ModuleType

from recon.errors import MissingDependencyError

__all__ = ["native"]


@cache
def native() -> ModuleType:
    """`recon._native`: CPU kernels for this machine's instruction set, CUDA kernels where they were built."""
    try:
        from recon import _native  # pyright: ignore[reportAttributeAccessIssue]: compiled
    except ImportError as error:
        raise MissingDependencyError(
            f"recon's native module cannot be loaded ({error}).",
            advice="Install recon with pip (pip install -c constraints.txt .); the source folder alone is not enough.",
        ) from error
    return _native
