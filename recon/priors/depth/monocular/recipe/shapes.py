"""Triangle meshes of things, in metres, z up, standing on z = 0: four ways to sweep a line, and what they make.

A shape is (vertices `v 3`, triangles `t 3`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["HELD_OUT_THINGS", "THINGS", "Shape", "box", "extrude", "lathe", "moved", "sheet", "tube"]

Shape = tuple[np.ndarray, np.ndarray]
Random = np.random.Generator


def box(width: float, depth: float, height: float) -> Shape:
    """A box around the z axis."""
    return extrude(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [width / 2, depth / 2], height)


def extrude(outline: np.ndarray, height: float) -> Shape:
    """A star-shaped outline `n 2`, pulled up."""
    n = len(outline)
    low, high = np.pad(outline, ((0, 0), (0, 1))), np.pad(outline, ((0, 0), (0, 1)), constant_values=height)
    middle = np.array([[0, 0, 0], [0, 0, height]])
    i, j = np.arange(n), (np.arange(n) + 1) % n
    sides = np.concatenate([np.stack([i, j, n + j], 1), np.stack([i, n + j, n + i], 1)])
    caps = np.concatenate([np.stack([j, i, np.full(n, 2 * n)], 1), np.stack([n + i, n + j, np.full(n, 2 * n + 1)], 1)])
    return np.concatenate([low, high, middle]).astype(float), np.concatenate([sides, caps])


def lathe(profile: np.ndarray, around: int = 40) -> Shape:
    """A profile of (radius, height) `n 2`, turned about the z axis."""
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    vertices = np.concatenate(
        [profile[:, None, :1] * ring[None], np.broadcast_to(profile[:, None, 1:], (len(profile), around, 1))], -1
    )
    return vertices.reshape(-1, 3), _quads(len(profile), around, closed=True)


def tube(line: np.ndarray, radius: np.ndarray | float, around: int = 12) -> Shape:
    """A pipe along a line `n 3`."""
    along = np.gradient(line, axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    side = np.cross(along, [0.31, 0.17, 0.93])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    third = np.cross(along, side)
    angle = np.linspace(0, 2 * np.pi, around, endpoint=False)[None, :, None]
    ring = np.cos(angle) * side[:, None] + np.sin(angle) * third[:, None]
    vertices = line[:, None] + np.broadcast_to(radius, len(line))[:, None, None] * ring
    return vertices.reshape(-1, 3), _quads(len(line), around, closed=True)


def sheet(width: float, depth: float, height: Callable[[np.ndarray, np.ndarray], np.ndarray], cells: int = 48) -> Shape:
    """A surface over a rectangle around the origin."""
    x, y = np.meshgrid(np.linspace(-width / 2, width / 2, cells), np.linspace(-depth / 2, depth / 2, cells))
    return np.stack([x, y, height(x, y)], -1).reshape(-1, 3), _quads(cells, cells, closed=False)


def moved(shape: Shape, place: np.ndarray | tuple, *, turn: float = 0.0, tilt: float = 0.0) -> Shape:
    """Tilted about x, then turned about z (radians), then put at `place`."""
    c, s, k, m = np.cos(turn), np.sin(turn), np.cos(tilt), np.sin(tilt)
    rotation = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ np.array([[1, 0, 0], [0, k, -m], [0, m, k]])
    return shape[0] @ rotation.T + np.asarray(place, float), shape[1]


def _quads(rows: int, columns: int, *, closed: bool) -> np.ndarray:
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns if closed else columns - 1), indexing="ij")
    k = (j + 1) % columns
    a, b, c, d = i * columns + j, i * columns + k, (i + 1) * columns + k, (i + 1) * columns + j
    return np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])


def _together(parts: list[Shape]) -> Shape:
    first = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    triangles = [t + offset for (_, t), offset in zip(parts, first, strict=False)]
    return np.concatenate([vertices for vertices, _ in parts]), np.concatenate(triangles)


# --- Things about one metre high, to be scaled ------------------------------------------------------------------------


def _crate(random: Random) -> Shape:
    width, depth = random.uniform(0.4, 1.2, 2)
    return box(width, depth, random.uniform(0.5, 1.0))


def _drum(random: Random) -> Shape:
    r = random.uniform(0.2, 0.5)
    return lathe(np.array([[0, 0], [r, 0], [r * random.uniform(0.6, 1.2), 1], [0, 1]]))


def _ball(random: Random) -> Shape:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 20)
    return lathe(np.stack([np.cos(angle), np.sin(angle) + 1], -1) * [random.uniform(0.4, 0.6), 0.5])


def _cone(random: Random) -> Shape:
    r = random.uniform(0.25, 0.5)
    return lathe(np.array([[0, 0], [r, 0], [r * random.uniform(0.02, 0.5), 1], [0, 1]]))


def _vase(random: Random) -> Shape:
    height = np.linspace(0, 1, 24)
    bends = random.normal(0, 0.13, 4) / (1 + np.arange(4))
    radius = 0.28 + sum(a * np.cos(np.pi * (k + 1) * height + random.uniform(0, 6)) for k, a in enumerate(bends))
    body = np.stack([np.clip(radius, 0.05, 0.6), height], -1)
    return lathe(np.concatenate([[[0, 0]], body, [[body[-1, 0] * 0.9, 0.99], [0, random.choice([0.3, 0.99])]]]))


def _ring(random: Random) -> Shape:
    angle = np.linspace(0, 2 * np.pi, 40)
    thick = random.uniform(0.08, 0.2)
    line = np.stack([np.cos(angle), np.sin(angle), 0 * angle], -1) * (0.5 - thick) + [0, 0, thick]
    upright = moved(tube(line, thick), (0, 0, 0), tilt=np.pi / 2)
    low = upright[0][:, 2].min()
    return (upright[0] - [0, 0, low], upright[1]) if random.random() < 0.5 else tube(line, thick)


def _rock(random: Random) -> Shape:
    angle = np.linspace(-np.pi / 2, np.pi / 2, 24)
    vertices, triangles = lathe(np.stack([np.cos(angle), np.sin(angle)], -1) * 0.5, 32)
    for frequency in (2, 4, 8):
        direction = random.normal(size=(3, 3)) * frequency
        vertices = vertices * (1 + 0.25 / frequency * np.sin(vertices @ direction).sum(-1, keepdims=True))
    vertices = vertices * random.uniform(0.6, 1.2, 3)
    return vertices - [0, 0, vertices[:, 2].min() + 0.08], triangles


def _pyramid_or_prism(random: Random) -> Shape:
    n = int(random.integers(3, 9))
    angle = np.arange(n) * 2 * np.pi / n
    vertices, triangles = extrude(np.stack([np.cos(angle), np.sin(angle)], -1) * random.uniform(0.25, 0.5), 1.0)
    vertices[n : 2 * n, :2] *= random.choice([1.0, 0.5, 0.1])
    return vertices, triangles


def _cushion(random: Random) -> Shape:
    """A superellipsoid: between ball and box."""
    power = random.uniform(0.2, 0.8)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 20)
    vertices, triangles = lathe(np.stack([np.cos(angle), np.sin(angle)], -1), 40)
    vertices = np.sign(vertices) * np.abs(vertices) ** power * random.uniform(0.25, 0.5, 3)
    return vertices - [0, 0, vertices[:, 2].min()], triangles


def _branch(random: Random) -> Shape:
    t = np.linspace(0, 1, 16)[:, None]
    line = np.concatenate([0 * t, 0 * t, t], -1) + np.sin(t * random.uniform(1, 5, 3)) * random.normal(0, 0.12, 3)
    return tube(line - line[0], np.linspace(random.uniform(0.02, 0.08), 0.015, 16))


def _plant(random: Random) -> Shape:
    """Leaves that rise from one place and bend over."""
    wide, bend, parts = random.uniform(0.02, 0.12), random.uniform(0.1, 1.2), []
    for _ in range(int(random.integers(6, 40))):
        t, reach = np.linspace(0, 1, 9), random.uniform(0.3, 0.9)
        half = wide * np.sin(np.pi * (0.06 + 0.9 * t)) ** 0.7
        line = np.stack([reach * t, 0 * t, t * random.uniform(0.4, 1) - bend * (reach * t) ** 2], -1)
        side = np.stack([0 * t, half, 0.3 * half], -1)
        leaf = np.stack([line - side, line, line + side * [1, 1, -1]], 1).reshape(-1, 3), _quads(9, 3, closed=False)
        parts.append(moved(leaf, (0, 0, 0), turn=random.uniform(0, 2 * np.pi)))
    return _together(parts)


THINGS: tuple[Callable[[Random], Shape], ...] = (
    *(_crate, _drum, _ball, _cone, _vase, _vase, _ring, _rock, _pyramid_or_prism, _cushion, _branch, _plant),
)
"""What training scenes are furnished with."""


def _knot(random: Random) -> Shape:
    t = np.linspace(0, 2 * np.pi, 120)
    p, q = ((2, 3), (3, 2), (3, 4))[int(random.integers(3))]
    r = 0.3 + 0.12 * np.cos(q * t)
    line = np.stack([r * np.cos(p * t), r * np.sin(p * t), 0.15 * np.sin(q * t) + 0.22], -1)
    return tube(line, random.uniform(0.03, 0.07))


def _gear(random: Random) -> Shape:
    teeth = int(random.integers(6, 16))
    angle = np.linspace(0, 2 * np.pi, teeth * 4, endpoint=False)
    radius = 0.5 - 0.1 * (np.arange(teeth * 4) % 4 < 2)
    return extrude(np.stack([np.cos(angle), np.sin(angle)], -1) * radius[:, None], random.uniform(0.1, 1.0))


def _spring(random: Random) -> Shape:
    t = np.linspace(0, 1, 140)
    turns = random.uniform(3, 6) * 2 * np.pi
    return tube(np.stack([0.3 * np.cos(turns * t), 0.3 * np.sin(turns * t), t], -1), random.uniform(0.03, 0.06))


def _stairs(random: Random) -> Shape:
    steps = int(random.integers(3, 7))
    parts = [moved(box(1.0, 1.0 - k / steps, 1 / steps), (0, k / steps / 2, k / steps)) for k in range(steps)]
    return _together(parts)


HELD_OUT_THINGS: tuple[Callable[[Random], Shape], ...] = (_knot, _gear, _spring, _stairs)
"""Shapes that only held-out scenes show."""
