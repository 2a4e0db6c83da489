"""Whether the sizes in a model's options are ones that a machine can hold."""

from __future__ import annotations

from collections.abc import Iterable

from recon.errors import InputError

__all__ = ["check_sizes"]


def check_sizes(sizes: Iterable[tuple[str, int, int, int]]) -> None:
    """Of each option its name, value, least and most. Raises `InputError` that names the first outside of that."""
    for option, value, least, most in sizes:
        if not least <= value <= most:
            raise InputError(f"{option} is {value}.", advice=f"Give {least} to {most}.")
