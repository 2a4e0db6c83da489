"""Numbers of Gaussians in few bits, as several formats store them. numpy, whole arrays at once.

The three smallest components of a unit quaternion lie within 1 / sqrt(2) of zero and say the fourth, whose sign is made
positive.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int, UInt8

__all__ = [
    "SH_CONSTANT",
    "bytes_of_opacities",
    "drop_largest",
    "logits_of_bytes",
    "logits_of_opacities",
    "restore_largest",
    "rounded",
    "sigmoid",
    "unit_quaternions",
]

SH_CONSTANT = 0.28209479177387814
"""The spherical harmonic of degree 0: 1 / (2 sqrt(pi))."""

_OTHERS = np.array([[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]])


def sigmoid(logits: Float[np.ndarray, "*g"]) -> Float[np.ndarray, "*g"]:
    return 1 / (1 + np.exp(-np.clip(logits, -80, 80)))


def logits_of_opacities(opacities: Float[np.ndarray, "*g"]) -> Float[np.ndarray, "*g"]:
    """Opacities 0 and 1 become as faint and as opaque as float32 can tell."""
    p = np.clip(opacities.astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p)).astype(np.float32)


def bytes_of_opacities(logits: Float[np.ndarray, "*g"]) -> UInt8[np.ndarray, "*g"]:
    return rounded(sigmoid(logits) * 255)


def logits_of_bytes(opacities: UInt8[np.ndarray, "*g"]) -> Float[np.ndarray, "*g"]:
    """Bytes 0 and 255 stand for what lies a quarter of a step from the end."""
    p = np.clip(opacities.astype(np.float32), 0.25, 254.75) / 255
    return np.log(p / (1 - p))


def rounded(values: Float[np.ndarray, "*g"]) -> UInt8[np.ndarray, "*g"]:
    """The nearest bytes."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def unit_quaternions(quats: Float[np.ndarray, "g 4"]) -> Float[np.ndarray, "g 4"]:
    """Of length one; no rotation, (1, 0, 0, 0), where the length is zero."""
    length = np.linalg.norm(quats, axis=-1, keepdims=True)
    fallback = np.array([1, 0, 0, 0], dtype=quats.dtype)
    return np.where(length > 0, quats / np.where(length > 0, length, 1), fallback)


def drop_largest(quats: Float[np.ndarray, "g 4"]) -> tuple[Int[np.ndarray, "g"], Float[np.ndarray, "g 3"]]:
    """Which component of each unit quaternion is the largest, and the others in order, as if that were positive."""
    largest = np.argmax(np.abs(quats), axis=-1)
    sign = np.where(np.take_along_axis(quats, largest[:, None], axis=-1) < 0, -1, 1).astype(quats.dtype)
    return largest, np.take_along_axis(quats, _OTHERS[largest], axis=-1) * sign


def restore_largest(largest: Int[np.ndarray, "g"], others: Float[np.ndarray, "g 3"]) -> Float[np.ndarray, "g 4"]:
    """The inverse of `drop_largest`, of length one."""
    quats = np.empty((len(largest), 4), dtype=np.float32)
    rest = np.sqrt(np.maximum(0, 1 - (others * others).sum(axis=-1)))
    np.put_along_axis(quats, largest[:, None], rest[:, None].astype(np.float32), axis=-1)
    np.put_along_axis(quats, _OTHERS[largest], others.astype(np.float32), axis=-1)
    return quats / np.maximum(np.linalg.norm(quats, axis=-1, keepdims=True), 1e-12)
