"""Procedural surfaces: a number in 0..1 for every point of space, which mixes two colours.

Patterns finer than a pixel fade into their mean, so that pictures do not shimmer: `pixel [n]` is a pixel's width on the
surface in metres.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

__all__ = ["HELD_OUT_PATTERNS", "PATTERNS", "Material", "random_material"]

Random = np.random.Generator
_TABLE = np.random.default_rng(7).random(4096).astype(np.float32)


@dataclass(frozen=True)
class Material:
    """What a surface looks like."""

    pattern: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    """From places on the surface `n 2`, in space `n 3` (both in units of the pattern) and pixels' widths `n`."""
    colours: np.ndarray
    """Two linear colours, `2 3`."""
    scale: float
    """Metres that the pattern repeats in."""
    grain: float
    """Strength of fine irregularity."""
    gloss: float
    glow: float
    frame: np.ndarray
    """How the pattern lies in the world, `3 3`."""
    offset: np.ndarray

    def colour(self, points: np.ndarray, normals: np.ndarray, pixel: np.ndarray) -> np.ndarray:
        """Linear albedo `n 3` at points of the world."""
        place, normal = points @ self.frame.T / self.scale + self.offset, normals @ self.frame.T
        axis = np.abs(normal).argmax(-1)
        rows = np.arange(len(place))
        flat = np.stack([place[rows, (axis + 1) % 3], place[rows, (axis + 2) % 3]], -1)
        pixel = pixel / self.scale
        mix = np.clip(self.pattern(flat, place, pixel), 0, 1)[:, None]
        colour = self.colours[0] * (1 - mix) + self.colours[1] * mix
        if self.grain > 0:
            colour = colour * (1 + self.grain * (2 * fractal(place * 6, pixel * 6) - 1))[:, None]
        return colour


def noise(place: np.ndarray) -> np.ndarray:
    """Smooth numbers in 0..1, one lattice cell a unit. Source: Perlin 1985's value noise."""
    cell = np.floor(place).astype(np.int64)
    t = (place - cell).astype(np.float32)
    t = t * t * (3 - 2 * t)
    hashed = [(cell[:, k, None] + np.arange(2)) * p for k, p in enumerate((73856093, 19349663, 83492791))]
    total = np.zeros(len(place), np.float32)
    for corner in range(8):
        i, j, k = corner & 1, corner >> 1 & 1, corner >> 2
        weight = (t[:, 0] if i else 1 - t[:, 0]) * (t[:, 1] if j else 1 - t[:, 1]) * (t[:, 2] if k else 1 - t[:, 2])
        total += weight * _TABLE[(hashed[0][:, i] ^ hashed[1][:, j] ^ hashed[2][:, k]) & 4095]
    return total


def fractal(place: np.ndarray, pixel: np.ndarray, octaves: int = 3) -> np.ndarray:
    """Noise on several scales, each faded where a pixel swallows it."""
    total, most = np.zeros(len(place), np.float32), 0.0
    for octave in range(octaves):
        size = 2.0**octave
        keep = np.clip(1.5 - 2 * pixel * size, 0, 1)
        total += (noise(place * size + 17 * octave) - 0.5) * keep / size
        most += 1 / size
    return 0.5 + 1.2 * total / most


def _edge(distance: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """A step at 0, as wide as a pixel."""
    return np.clip(distance / np.maximum(pixel, 0.01) + 0.5, 0, 1)


def _faded(value: np.ndarray, pixel: np.ndarray, mean: float) -> np.ndarray:
    keep = np.clip(1.5 - 2 * pixel, 0, 1)
    return mean + (value - mean) * keep


def plain(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return np.zeros(len(flat))


def cloudy(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return fractal(place * 2, pixel * 2, 4)


def gritty(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return 0.5 + 1.5 * (fractal(place * 12, pixel * 12, 3) - 0.5)


def checks(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    wave = np.sin(np.pi * flat[:, 0]) * np.sin(np.pi * flat[:, 1])
    return _faded(_edge(wave, 3 * pixel), pixel, 0.5)


def tiles(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    near = np.abs(flat - np.round(flat)).min(-1)
    each = noise(np.concatenate([np.floor(flat + 0.5), 0 * flat[:, :1]], -1) + 0.5)
    return _faded(0.4 * each + 0.6 * _edge(0.03 - near, pixel), pixel, 0.25)


def bricks(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    row = np.floor(flat[:, 1] * 3)
    u, v = flat[:, 0] + 0.5 * (row % 2), flat[:, 1] * 3
    near = np.minimum(np.abs(u - np.round(u)), np.abs(v - np.round(v)) / 3)
    each = noise(np.stack([np.floor(u), row, 0 * row], -1) + 0.5)
    return _faded(0.5 * each * _edge(near - 0.03, pixel) + _edge(0.03 - near, pixel), 2 * pixel, 0.35)


def planks(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    row = np.floor(flat[:, 1] * 4)
    each = noise(np.stack([row * 3.7, 0 * row, 0 * row], -1) + 0.5)
    fibre = fractal(np.stack([flat[:, 0] * 1.5, flat[:, 1] * 25, row], -1), 20 * pixel, 2)
    gap = np.abs(flat[:, 1] * 4 - np.round(flat[:, 1] * 4)) / 4
    return _faded(0.5 * each + 0.4 * fibre + _edge(0.01 - gap, pixel), 2 * pixel, 0.45)


def stripes(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return _faded(_edge(np.sin(2 * np.pi * flat[:, 0]), 6 * pixel), pixel, 0.5)


def rings(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    radius = np.hypot(place[:, 0], place[:, 1]) * 6 + 2 * noise(place * 1.5)
    return _faded(0.5 + 0.5 * np.sin(2 * np.pi * radius), 6 * pixel, 0.5)


def marble(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return np.abs(np.sin(3 * place[:, 0] + 8 * fractal(place * 1.5, pixel, 4))) ** 0.5


def spots(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return _edge(noise(place * 5) - 0.65, 4 * pixel)


def picture(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Large shapes painted on: what looks near or far there is not."""
    return 0.5 * noise(place * 1.3) + 0.5 * _edge(noise(place * 2.5 + 40) - 0.5, pixel)


PATTERNS = (
    *(plain, plain, cloudy, cloudy, gritty, gritty, checks, tiles, bricks, planks, planks, stripes, rings, marble),
    *(spots, picture),
)


def cells(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Distance to the nearest of scattered points. Source: Worley 1996."""
    best = np.full(len(flat), 4.0)
    for i in (-1, 0, 1):
        for j in (-1, 0, 1):
            cell = np.floor(flat) + np.array([i, j])
            seed = np.concatenate([cell, 0 * cell[:, :1]], -1) + 0.5
            spot = cell + np.stack([noise(seed * 1.7), noise(seed * 2.3 + 9)], -1)
            best = np.minimum(best, ((flat - spot) ** 2).sum(-1))
    return _faded(np.sqrt(best), pixel, 0.5)


def waves(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    return _faded(0.5 + 0.5 * np.sin(2 * np.pi * (flat[:, 1] * 2 + 0.3 * np.sin(flat[:, 0] * 6))), 3 * pixel, 0.5)


def dots(flat: np.ndarray, place: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    near = np.linalg.norm(flat * 2 - np.round(flat * 2), axis=-1)
    return _faded(_edge(0.25 - near, 2 * pixel), 2 * pixel, 0.2)


HELD_OUT_PATTERNS = (cells, waves, dots)
"""What only held-out scenes are covered with, beside the others."""


def random_material(random: Random, patterns: tuple, *, scale: float = 0.4, glow: float = 0.0) -> Material:
    """One of `patterns` in colours that go together, in a random place and mostly level."""
    hue, strong = random.random(3), random.random() ** 3
    base = (1 - strong) * hue.mean() + strong * hue
    other = np.clip(base * random.uniform(0.2, 1.5) + random.normal(0, 0.12, 3), 0, 1)
    turn = random.choice([0, 0, 0, np.pi / 4, random.uniform(0, np.pi)])
    c, s = np.cos(turn), np.sin(turn)
    return Material(
        pattern=patterns[int(random.integers(len(patterns)))],
        colours=np.stack([0.03 + 0.85 * base, 0.03 + 0.85 * other]) ** 1.6,
        scale=scale * float(np.exp(random.normal(0, 0.6))),
        grain=float(random.choice([0, 0.15, 0.4])),
        gloss=float(random.choice([0, 0, 0.2, 0.6])),
        glow=glow,
        frame=np.array([[c, -s, 0], [s, c, 0], [0, 0, 1.0]]),
        offset=random.uniform(0, 50, 3),
    )
