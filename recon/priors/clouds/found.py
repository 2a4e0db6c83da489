"""Things found in a scene and what they are taken for, as a file that the viewer and other programs read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from recon.errors import InputError
from recon.io.annotated import write_annotated
from recon.io.disk import write_whole
from recon.priors.clouds.classifier import Classification, CloudClassifier
from recon.priors.clouds.objects import Box, Objects, find_objects

__all__ = ["FILE", "FoundObject", "name_objects", "read_found", "write_found"]

FILE = "objects.json"


@dataclass(frozen=True)
class FoundObject:
    """One thing, in the frame of the scan, or the input frame of a run."""

    box: Box
    points: int
    answer: Classification

    def described(self) -> dict[str, Any]:
        box = {"center": self.box.center.tolist(), "size": self.box.size.tolist(), "axes": self.box.axes.tolist()}
        return {
            "label": self.answer.label,
            "confidence": self.answer.confidence,
            "box": box,
            "points": self.points,
            "scores": self.answer.scores,
        }


def name_objects(
    xyz: Float[np.ndarray, "p 3"], classifier: CloudClassifier, *, up: Float[np.ndarray, "3"]
) -> tuple[Objects, list[FoundObject]]:
    """The things among points, and what each is, by itself and upright."""
    objects = find_objects(xyz, up=up)
    clouds = [xyz[objects.owner == number] for number in range(len(objects))]
    answers = classifier.classify(clouds, up=up)
    found = [FoundObject(*parts) for parts in zip(objects.boxes, map(len, clouds), answers, strict=True)]
    return objects, found


def write_found(
    folder: Path, xyz: Float[np.ndarray, "p 3"], objects: Objects, found: Sequence[FoundObject]
) -> tuple[Path, Path]:
    """`objects.json` and `objects.ply` in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    answers = [thing.answer for thing in found]
    cloud = folder / "objects.ply"
    write_annotated(cloud, xyz, objects.owner, [a.label for a in answers], [a.confidence for a in answers])
    said = folder / FILE
    write_whole(said, json.dumps({"objects": [thing.described() for thing in found]}, indent=1).encode())
    return said, cloud


def read_found(path: Path) -> list[FoundObject]:
    """What `write_found` wrote. Raises `InputError` where it is something else."""
    try:
        return [_object(thing) for thing in json.loads(path.read_text())["objects"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} holds no objects: {error}.", advice="Write it again with recon classify.") from error


def _object(thing: dict[str, Any]) -> FoundObject:
    center, size, axes = (np.array(thing["box"][name], dtype=np.float64) for name in ("center", "size", "axes"))
    if center.shape != (3,) or size.shape != (3,) or axes.shape != (3, 3):
        raise ValueError("a box has another shape")
    if not all(np.isfinite(part).all() for part in (center, size, axes)):
        raise ValueError("a box is not finite")
    scores = {str(name): float(score) for name, score in thing["scores"].items()}
    answer = Classification(str(thing["label"]), float(thing["confidence"]), scores)
    return FoundObject(Box(center, size, axes), int(thing["points"]), answer)
