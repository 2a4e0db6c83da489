"""Networks of transformers, read from a folder: its errors in words to act on, and nothing else of what it says."""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recon.errors import InputError

__all__ = ["in_words", "quietly"]


@contextlib.contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """What transformers and safetensors raise over damaged files, as something to act on."""
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, pickle.UnpicklingError, SafetensorError) as error:
        first = str(error).strip().splitlines()[:1]
        raise InputError(
            f"The network in {folder} cannot be read: {first[0] if first else type(error).__name__}",
            advice="Download it again, or pass another folder.",
        ) from error


@contextlib.contextmanager
def quietly(transformers: Any) -> Iterator[None]:
    """Its progress bars and warnings are not for our users: what matters is checked here."""
    log = transformers.utils.logging
    verbosity, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(verbosity)
        if bars:
            log.enable_progress_bar()
