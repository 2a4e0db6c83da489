"""What stands where: the kinds of scenes that the network is trained on."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recon.priors.depth.monocular.recipe.pieces import (
    build_walls,
    look_at_middle,
    put_car,
    put_front,
    put_furniture,
    put_house,
    put_table,
    put_tree,
)
from recon.priors.depth.monocular.recipe.shapes import THINGS, box, sheet, tube
from recon.priors.depth.monocular.recipe.textures import PATTERNS
from recon.priors.depth.monocular.recipe.world import World

__all__ = ["LAYOUTS", "VIEWS", "training_world"]

VIEWS = 6
"""Cameras in each world."""


def training_world(seed: int) -> World:
    """World number `seed` of the training and validation scenes."""
    random = np.random.default_rng([1, seed])
    world = World(random, THINGS, PATTERNS)
    LAYOUTS[seed % len(LAYOUTS)](world)
    return world


def room(world: World) -> None:
    """Furniture along the walls, things on it, pictures and windows."""
    random = world.random
    width, depth, height = random.uniform(3, 8), random.uniform(3, 8), random.uniform(2.3, 3.4)
    build_walls(world, width, depth, height)
    for _ in range(int(random.integers(3, 9))):
        x, y = random.uniform(-0.45, 0.45, 2) * [width, depth]
        if random.random() < 0.6:  # against a wall
            at_side = random.random() < 0.5
            x, y = (np.sign(x) * (width / 2 - 0.35), y) if at_side else (x, np.sign(y) * (depth / 2 - 0.35))
        put_furniture(world, x, y)
    world.light_room(width, depth, height)
    for _ in range(VIEWS):
        eye = np.array([*(random.uniform(-0.46, 0.46, 2) * [width, depth]), random.uniform(0.7, 1.9)])
        target = np.array([*(random.uniform(-0.5, 0.5, 2) * [width, depth]), random.uniform(0.2, 1.6)])
        world.stand(eye, target)


def table_top(world: World) -> None:
    """Things on a table in a room, seen from around it."""
    random = world.random
    width, depth, height = random.uniform(3, 7), random.uniform(3, 7), random.uniform(2.3, 3.2)
    build_walls(world, width, depth, height)
    top, level = random.uniform(0.35, 0.8), random.uniform(0.5, 0.9)
    put_table(world, 0.0, 0.0, top * 2, top * 2 * random.uniform(0.6, 1.4), level)
    for _ in range(int(random.integers(2, 14))):
        place = np.array([*(random.uniform(-0.8, 0.8, 2) * top), level])
        world.put_thing(place, float(np.exp(random.normal(np.log(0.14), 0.5))))
    for _ in range(int(random.integers(0, 4))):
        angle = random.uniform(0, 2 * np.pi)
        put_furniture(world, 0.42 * width * np.cos(angle), 0.42 * depth * np.sin(angle))
    world.light_room(width, depth, height)
    for _ in range(VIEWS):
        look_at_middle(world, level + 0.08, random.uniform(0.5, 1.6), most=0.45 * min(width, depth))


def open_ground(world: World) -> None:
    """Rough ground to the horizon with trees, houses, rocks and things."""
    random = world.random
    hilly, phase = random.choice([0, 0.1, 0.5]), random.uniform(0, 6, 4)

    def ground(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        near = np.minimum(1, np.hypot(x, y) / 20)
        wave = np.sin(x / 5 + phase[0]) * np.sin(y / 6 + phase[1]) + 5 * near * np.sin(x / 30 + phase[2])
        return np.asarray(hilly * (wave + 3 * near * np.sin(y / 25 + phase[3])))

    world.put(sheet(300.0, 300.0, ground, 90), (0, 0, 0), world.material(scale=1.5))
    for _ in range(int(random.integers(12, 60))):
        distance, angle = np.exp(random.uniform(np.log(2), np.log(50))), random.uniform(0, 2 * np.pi)
        x, y = distance * np.cos(angle), distance * np.sin(angle)
        kind, z = random.random(), float(ground(np.array(x), np.array(y))) - 0.05
        if kind < 0.35:
            put_tree(world, x, y, z)
        elif kind < 0.5 and distance > 8:
            put_house(world, x, y, z)
        elif kind < 0.6:
            world.put(tube(np.array([[0, 0, 0], [0, 0, 2.0], [0, 0, random.uniform(2.5, 7)]]), 0.06), (x, y, z))
        else:
            world.put_thing((x, y, z), float(np.exp(random.normal(0, 0.6))))
    world.light_outside()
    for _ in range(VIEWS):
        eye = np.array([*random.normal(0, 3, 2), 0.0])
        eye[2] = float(ground(np.array(eye[0]), np.array(eye[1]))) + random.uniform(0.6, 2.2)
        distance, angle = random.uniform(2, 15), random.uniform(0, 2 * np.pi)
        way = np.array([np.cos(angle), np.sin(angle), random.uniform(-0.3, 0.1)])
        world.stand(eye, eye + way * distance)


def street(world: World) -> None:
    """House fronts on one or both sides, parked boxes, poles."""
    random = world.random
    half, ground = random.uniform(3, 9), world.material(scale=1.0)
    world.put(box(300.0, 300.0, 0.1), (0, 0, -0.1), ground)
    for side in (-1, 1) if random.random() < 0.7 else (1,):
        y = -30.0
        while y < 60:
            length, height, back = random.uniform(5, 18), random.uniform(3, 16), random.uniform(0, 1.5)
            put_front(world, side * (half + back), y + length / 2, length, height, side)
            y += length + random.choice([0, 0, random.uniform(0, 6)])
    for _ in range(int(random.integers(2, 14))):
        x, y = random.choice([-1, 1]) * random.uniform(0.45, 0.9) * half, random.uniform(-10, 40)
        if random.random() < 0.5:
            put_car(world, x, y)
        else:
            world.put_thing((x, y, 0), random.uniform(0.4, 2.0))
    world.light_outside()
    for _ in range(VIEWS):
        eye = np.array([random.uniform(-0.5, 0.5) * half, random.uniform(-12, 15), random.uniform(1.2, 2.2)])
        angle = random.normal(0, 0.5) if random.random() < 0.6 else random.uniform(-np.pi / 2, np.pi / 2)
        world.stand(eye, eye + np.array([np.sin(angle), np.cos(angle), random.normal(0.02, 0.08)]) * 10)


def on_plinth(world: World) -> None:
    """One thing put together of many, close, before something plain or far."""
    random = world.random
    size = float(np.exp(random.uniform(np.log(0.15), np.log(1.5))))
    behind = random.random()
    if behind < 0.4:  # a sweep of paper
        back, bend = random.uniform(1.2, 3) * size, 0.8 * size

        def sweep(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            return np.where(y > back, ((y - back) / bend) ** 2 * size, 0)

        world.put(sheet(12 * size, 12 * size, sweep, 80), (0, 0, 0))
        world.sky = np.full((2, 3), random.uniform(0.2, 0.9))
    elif behind < 0.8:
        build_walls(world, size * random.uniform(4, 12), size * random.uniform(4, 12), size * random.uniform(3, 6))
    else:
        world.put(box(40 * size, 40 * size, 0.1), (0, 0, -0.1), world.material(scale=size))
        world.sky = np.full((2, 3), random.uniform(0.2, 0.9))
    for _ in range(int(random.integers(1, 9))):
        place = np.array([*random.normal(0, 0.25, 2), abs(random.normal(0, 0.25))]) * size
        tilt = float(random.choice([0, 0, random.normal(0, 0.4)]))
        world.put_thing(place, size * random.uniform(0.2, 0.9), tilt=tilt)
    world.light_room(4 * size, 4 * size, 3 * size)
    for _ in range(VIEWS):
        angle = random.uniform(-1.0, 1.0) - np.pi / 2 if behind < 0.4 else random.uniform(0, 2 * np.pi)
        distance, rise = size * random.uniform(1.3, 1.95 if behind < 0.8 else 4), random.uniform(0.05, 1.0)
        eye = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)]) * distance
        target = random.normal(0, 0.12, 3) * size + np.array([0, 0, 0.35 * size])
        world.stand(eye + np.array([0, 0, 0.1 * size]), target)


def on_wall(world: World) -> None:
    """Things that hang on a wall or stand before it, seen close: often no ground says what is near."""
    random = world.random
    width, depth, height = random.uniform(2, 6), random.uniform(3, 6), random.uniform(2.3, 3.4)
    build_walls(world, width, depth, height)
    middle = np.array([random.uniform(-0.4, 0.4) * width, depth / 2, random.uniform(1.0, 1.9)])
    for _ in range(int(random.integers(1, 6))):
        aside, up, size = random.normal(0, 0.4), random.normal(0, 0.3), float(np.exp(random.normal(np.log(0.5), 0.5)))
        place = middle + np.array([aside, 0, up])
        if random.random() < 0.6:
            board = box(size * random.uniform(0.5, 1.2), random.uniform(0.02, 0.08), size * random.uniform(0.7, 1.4))
            world.put(board, place - [0, 0.03, 0.5 * size])
        if random.random() < 0.8:  # lying on its side, it sticks out of the wall
            sticks_out = np.pi / 2 if random.random() < 0.6 else random.normal(0, 0.3)
            world.put_thing(place, size * random.uniform(0.5, 1), tilt=sticks_out, turn=random.normal(0, 0.4))
    for _ in range(int(random.integers(0, 4))):
        put_furniture(world, random.uniform(-0.45, 0.45) * width, depth / 2 - random.uniform(0.3, 0.8))
    world.light_room(width, depth, height)
    for _ in range(VIEWS):
        target = middle + random.normal(0, [0.3, 0.05, 0.25])
        away, angle = random.uniform(0.5, 1.8), random.normal(0, 0.5)
        eye = target + np.array([away * np.sin(angle), -away * np.cos(angle), random.normal(0, 0.35)])
        world.stand(np.clip(eye, [-0.48 * width, -1e9, 0.2], [0.48 * width, 1e9, height - 0.2]), target)


LAYOUTS: tuple[Callable[[World], None], ...] = (
    *(room, table_top, open_ground, on_wall, table_top, street, room, on_plinth, on_wall),
)
"""Training and validation."""
