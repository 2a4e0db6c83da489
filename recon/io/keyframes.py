"""Views somebody chose in the viewer, as a file to make a film of: JSON, in the input frame, so it outlives a run.

    {"format": "recon views", "views": [{"position": [x, y, z], "wxyz": [w, x, y, z], "fov_degrees": 50.0}, ...]}

`wxyz` is the rotation of `input_from_cam`, camera axes +x right, +y down, +z forward; the angle of view is vertical.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from recon.errors import InputError
from recon.io.disk import regular
from recon.io.parsing import parse_json

__all__ = ["Keyframe", "keyframes_text", "read_keyframes"]

_FORMAT = "recon views"
_MOST_BYTES = 1 << 24
_FARTHEST = 1e12


@dataclass(frozen=True)
class Keyframe:
    position: tuple[float, float, float]
    wxyz: tuple[float, float, float, float]
    fov: float
    """Vertical, radians."""


def keyframes_text(keyframes: Sequence[Keyframe]) -> str:
    views = [{"position": k.position, "wxyz": k.wxyz, "fov_degrees": round(math.degrees(k.fov), 6)} for k in keyframes]
    return json.dumps({"format": _FORMAT, "views": views}, indent=1, allow_nan=False)


def read_keyframes(path: Path) -> tuple[Keyframe, ...]:
    """At least two; anything else is an `InputError` that says which view is wrong."""
    try:
        with regular(path).open("rb") as file:
            tree = parse_json(file.read(_MOST_BYTES))
    except OSError as error:
        raise InputError(f"{path} cannot be opened: {error.strerror}.", advice="Check the path.") from error
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}.", advice=_ADVICE) from error
    views = tree.get("views") if isinstance(tree, Mapping) and tree.get("format") == _FORMAT else None
    if not isinstance(views, list):
        raise InputError(f"{path} holds no views saved by recon.", advice=_ADVICE)
    if len(views) < 2:
        raise InputError(f"{path} holds {len(views)} views: a film goes from one to another.", advice=_ADVICE)
    return tuple(_keyframe(path, number, view) for number, view in enumerate(views, start=1))


_ADVICE = 'In the viewer (recon view RUN), press "Add view" where the film shall pass, then "Save views".'


def _keyframe(path: Path, number: int, view: object) -> Keyframe:
    fields = view if isinstance(view, Mapping) else {}
    x, y, z = _numbers(path, number, fields, "position", 3)
    qw, qx, qy, qz = _numbers(path, number, fields, "wxyz", 4)
    (degrees,) = _numbers(path, number, {"fov_degrees": [fields.get("fov_degrees")]}, "fov_degrees", 1)
    if math.hypot(qw, qx, qy, qz) < 1e-6 or not 1 <= degrees <= 170:
        raise InputError(f"{path}: view {number} has no direction, or an impossible angle of view.", advice=_ADVICE)
    return Keyframe((x, y, z), (qw, qx, qy, qz), math.radians(degrees))


def _numbers(path: Path, number: int, fields: Mapping[str, object], name: str, count: int) -> list[float]:
    values = fields.get(name)
    if isinstance(values, list) and len(values) == count:
        numbers = [float(v) for v in values if type(v) in (int, float) and abs(v) < _FARTHEST]  # NaN is not below
        if len(numbers) == count:
            return numbers
    raise InputError(f"{path}: {name} of view {number} is not {count} finite numbers.", advice=_ADVICE)
