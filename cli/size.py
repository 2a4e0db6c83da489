"""Sizes of files as people type them."""

from __future__ import annotations

import re

from recon.errors import InputError

__all__ = ["bytes_of"]

_UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30}


def bytes_of(text: str, option: str = "--max-size") -> int:
    """Bytes of `8MB`, `500 kB`, `1.5GiB`, `20000`, given as `option`."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmg]?i?b)?", text.strip().lower())
    size = 0 if found is None else int(float(found[1]) * _UNITS[found[2] or ""])
    if size <= 0:
        raise InputError(f"{option} {text}: that is no size.", advice="Write it like 8MB, 500kB or 1.5GB.")
    return size
