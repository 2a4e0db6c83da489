"""JSON and TOML of files that anybody may have written: text that is neither is a `ValueError`, whatever is wrong."""

from __future__ import annotations

import json
import tomllib
from typing import Any

__all__ = ["parse_json", "parse_toml"]

_TOO_DEEP = "it is nested too deeply"


def parse_json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None


def parse_toml(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
