"""Why photos could not be placed, in words that help to take better ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from recon.errors import InputError
from recon.sfm.evidence import Evidence

if TYPE_CHECKING:
    import pycolmap

__all__ = ["check_depth", "explain_failure", "is_hopeless", "reason_for"]

_TEXTURELESS = 60
"""Features. Ordinary photos have hundreds; a wall with sensor noise has a few dozen."""
_SMALLEST_ANGLE = 1.0
"""Degrees between the rays to a point. COLMAP keeps points from 1.5 on, so a turning camera's sit just above it."""

_OVERLAP = "Take photos a step apart, so that each shows most of what its neighbour shows."
_STEP = "Walk around the subject, a step to the side between photos; turning on the spot shows no depth."


def is_hopeless(evidence: Evidence) -> bool:
    """Would trying harder be a waste of time?"""
    return len(evidence.shots) < 2 or float(np.median(evidence.counts)) < 10


def explain_failure(evidence: Evidence) -> InputError:
    photos = len(evidence.shots)
    if float(np.median(evidence.counts)) < _TEXTURELESS:
        return InputError(
            f"The {photos} photos show too little detail to find the same spot twice (blank walls, blur or noise).",
            advice="Photograph textured things, in focus and in good light; lay printed paper around plain objects.",
        )
    if len(evidence.pairs) == 0:
        return InputError(f"No two of the {photos} photos show the same thing.", advice=_OVERLAP)
    if evidence.moved.mean() < 0.5:
        return InputError(
            f"The camera did not move between the {photos} photos, or they show one flat surface: no depth to be seen.",
            advice=_STEP,
        )
    together = int((evidence.partners() > 0).sum())
    return InputError(
        f"{together} of the {photos} photos overlap, but too little to work out where they were taken.", advice=_OVERLAP
    )


def check_depth(model: pycolmap.Reconstruction, evidence: Evidence) -> None:
    """Refuse a model whose points are seen from one place only: their depth would be made up."""
    angle = median_angle(model)
    if angle < _SMALLEST_ANGLE or (evidence.moved.mean() < 0.1 and angle < 3 * _SMALLEST_ANGLE):
        raise InputError(
            f"The camera hardly moved between the {len(evidence.shots)} photos "
            f"(their rays meet at {angle:.1f} degrees): no depth to be seen.",
            advice=_STEP,
        )


def median_angle(model: pycolmap.Reconstruction) -> float:
    """Degrees: half of the points are seen under a larger angle than this by their two most distant cameras."""
    centers = {number: model.image(number).projection_center() for number in model.reg_image_ids()}
    angles = []
    for point in model.points3D.values():
        rays = np.array([centers[element.image_id] for element in point.track.elements]) - point.xyz
        rays /= np.linalg.norm(rays, axis=1, keepdims=True)
        angles.append(float(np.degrees(np.arccos(np.clip((rays @ rays.T).min(), -1, 1)))))
    return float(np.median(angles)) if angles else 0.0


def reason_for(index: int, evidence: Evidence) -> str:
    """Why this photo has no place in a model that others have a place in."""
    if evidence.blurred[index]:
        return "is blurred, much more than the others."
    if evidence.counts[index] < _TEXTURELESS:
        return "shows too little detail (blank, dark or blurred)."
    if evidence.partners()[index] == 0:
        return "shows nothing that another photo shows."
    return "overlaps too little with the photos that found a place."
