"""Whether an operator exists on a device: what it raises there, told apart from its bugs."""

from __future__ import annotations

from collections.abc import Callable

from recon.errors import MissingDependencyError

__all__ = ["why_absent"]

_SIGNS = ("incompatible function arguments", "on the same device", "same device")
"""Of an operator that was given tensors of a device it has no kernel for."""


def why_absent(run: Callable[[], object]) -> str | None:
    """None where `run` works; else why there is no such thing here. What is not explained by that is raised."""
    try:
        run()
    except NotImplementedError as error:
        return str(error)
    except MissingDependencyError as error:
        return error.message
    except (TypeError, RuntimeError, ValueError) as error:
        if any(sign in str(error) for sign in _SIGNS):
            return "it takes no tensors of this device"
        raise
    return None
