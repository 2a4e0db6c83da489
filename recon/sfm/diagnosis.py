"""Why photos could not be placed, in words that help to take better ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from recon.errors import InputError
from recon.sfm.evidence import Evidence

if TYPE_CHECKING:
    import pycolmap

__all__ = ["check_depth", "explain_failure", "is_hopeless", "reason_for", "usable"]

_TEXTURELESS = 60
"""Features. Ordinary photos have hundreds; a wall with sensor noise has a few dozen."""
_SMALLEST_ANGLE = 1.0
"""Degrees between the rays to a point, for half of the points."""
_TURNS = 0.003
"""Longest sides. Turning cameras were measured at 0.001 (what features err), walking ones from 0.05 up."""

_OVERLAP = "Take photos a step apart, so that each shows most of what its neighbour shows."
_STEP = "Walk around the subject, a step to the side between photos; turning on the spot shows no depth."


def is_hopeless(evidence: Evidence) -> bool:
    """Would mapping, or trying harder, be a waste of time?"""
    return only_turns(evidence) or float(np.median(evidence.counts)) < 10


def only_turns(evidence: Evidence) -> bool:
    return evidence.turning_error() < _TURNS


def usable(evidence: Evidence) -> Bool[np.ndarray, "n"]:
    """Which photos are sharp and show something."""
    return ~evidence.blurred & (evidence.counts >= _TEXTURELESS)


def explain_failure(evidence: Evidence) -> InputError:
    photos = len(evidence.shots)
    if float(np.median(evidence.counts)) < _TEXTURELESS:
        return InputError(
            f"The {photos} photos show too little detail to find the same spot twice (blank walls, blur or noise).",
            advice="Photograph textured things, in focus and in good light; lay printed paper around plain objects.",
        )
    if len(evidence.pairs) == 0:
        return InputError(f"No two of the {photos} photos show the same thing.", advice=_OVERLAP)
    if only_turns(evidence):
        return _no_depth(photos)
    together = int((evidence.partners() > 0).sum())
    return InputError(
        f"{together} of the {photos} photos overlap, but too little to work out where they were taken.", advice=_OVERLAP
    )


def check_depth(model: pycolmap.Reconstruction, evidence: Evidence) -> None:
    """Refuse a model whose points are seen from one place only: their depth would be made up."""
    if median_angle(model) < _SMALLEST_ANGLE:
        raise _no_depth(len(evidence.shots))


def median_angle(model: pycolmap.Reconstruction) -> float:
    """Degrees: half of the points are seen under a larger angle than this by their two most distant cameras."""
    centers = {number: model.image(number).projection_center() for number in model.reg_image_ids()}
    angles = []
    for point in model.points3D.values():
        rays = np.array([centers[element.image_id] for element in point.track.elements]) - point.xyz
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        angles.append(float(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1)))))
    return float(np.median(angles)) if angles else 0.0


def _no_depth(photos: int) -> InputError:
    return InputError(f"The camera did not move between the {photos} photos, it only turned.", advice=_STEP)


def reason_for(index: int, evidence: Evidence, placed: Bool[np.ndarray, "n"]) -> str:
    """Why this photo has no place in a model that others, the `placed`, have a place in."""
    if evidence.blurred[index]:
        return "is blurred, much more than the others."
    if evidence.counts[index] < _TEXTURELESS:
        return "shows too little detail (blank, dark or blurred)."
    if evidence.partners()[index] == 0:
        return "shows nothing that another photo shows."
    mates = evidence.pairs[(evidence.pairs == index).any(axis=1)]
    if not placed[mates].any():
        return "shows another scene than the photos that found a place, or another side of it."
    return "overlaps too little with the photos that found a place."
