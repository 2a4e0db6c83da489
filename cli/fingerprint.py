"""What a run was made with and from: versions, and a hash of the photos."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version

from recon import __version__
from recon.io.cache import content_key
from recon.types import Reconstruction

__all__ = ["describe_program", "fingerprint"]


def describe_program() -> dict[str, str]:
    """Versions of what shapes the result."""
    described = {"version": __version__, "python": platform.python_version(), "machine": platform.machine()}
    for package in ("torch", "numpy", "pycolmap"):
        try:
            described[package] = version(package)
        except PackageNotFoundError:
            described[package] = "absent"
    return described


def fingerprint(reconstruction: Reconstruction) -> str:
    """Changes when a posed photo or mask does, in name or content."""
    return content_key([[view.name, view.path, view.mask] for view in reconstruction.views])
