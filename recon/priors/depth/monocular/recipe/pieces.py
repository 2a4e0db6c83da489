"""What worlds are furnished with: walls, furniture, trees, houses, cars; each made of a few shapes."""

from __future__ import annotations

import numpy as np

from recon.priors.depth.monocular.recipe.shapes import box, lathe
from recon.priors.depth.monocular.recipe.textures import Material
from recon.priors.depth.monocular.recipe.world import World

__all__ = [
    "build_walls",
    "look_at_middle",
    "put_car",
    "put_front",
    "put_furniture",
    "put_house",
    "put_table",
    "put_tree",
]


def build_walls(world: World, width: float, depth: float, height: float) -> None:
    """Floor, ceiling, four walls; some with pictures, windows and a skirting."""
    random = world.random
    walls = world.material(scale=0.8 * height / 2.7)
    world.put(box(width, depth, 0.1), (0, 0, -0.1), world.material(scale=0.7 * height / 2.7))
    world.put(box(width, depth, 0.1), (0, 0, height))
    for side in (-1, 1):
        other = walls if random.random() < 0.7 else world.material(scale=0.8 * height / 2.7)
        world.put(box(0.1, depth, height), (side * (width / 2 + 0.05), 0, 0), other)
        world.put(box(width, 0.1, height), (0, side * (depth / 2 + 0.05), 0), walls)
        for _ in range(int(random.integers(0, 4))):
            glow = 1.5 if random.random() < 0.3 else 0.0
            size = random.uniform(0.15, 0.5, 2) * height
            panel = world.material(scale=0.25 * height, glow=glow)
            along, low = random.uniform(-0.45, 0.45), random.uniform(0.25, 0.55) * height
            if random.random() < 0.5:
                world.put(box(0.04, size[0], size[1]), (side * width / 2, along * depth, low), panel)
            else:
                world.put(box(size[0], 0.04, size[1]), (along * width, side * depth / 2, low), panel)


def put_furniture(world: World, x: float, y: float) -> None:
    """A table, chair, shelf, sofa, chest or thing, with things on it."""
    random, kind, turn = world.random, world.random.random(), float(world.random.choice([0, np.pi / 2, 0.4]))
    if kind < 0.25:
        put_table(world, x, y, random.uniform(0.5, 1.6), random.uniform(0.5, 1.0), level := random.uniform(0.4, 0.9))
        for _ in range(int(random.integers(0, 5))):
            place = (x + random.uniform(-0.25, 0.25), y + random.uniform(-0.2, 0.2), level)
            world.put_thing(place, random.uniform(0.1, 0.4))
    elif kind < 0.4:
        seat, wood = random.uniform(0.4, 0.5), world.material()
        put_table(world, x, y, 0.45, 0.45, seat, wood)
        world.put(box(0.45, 0.05, 0.5), (x, y + random.choice([-0.2, 0.2]), seat), wood)
    elif kind < 0.6:
        wide, deep, tall = random.uniform(0.6, 1.6), random.uniform(0.25, 0.45), random.uniform(0.8, 2.1)
        wood = world.material()
        for level in np.arange(0, tall, random.uniform(0.28, 0.45)):
            world.put(box(wide, deep, 0.03), (x, y, level), wood)
            for _ in range(int(random.integers(0, 5))):
                world.put_thing((x + random.uniform(-0.4, 0.4) * wide, y, level + 0.03), random.uniform(0.1, 0.24))
        for side in (-0.5, 0.5):
            world.put(box(0.03, deep, tall), (x + side * wide, y, 0), wood)
    elif kind < 0.75:
        cloth, wide = world.material(), random.uniform(0.8, 2.2)
        c, s = np.cos(turn), np.sin(turn)
        world.put(box(wide, 0.8, 0.42), (x, y, 0), cloth, turn=turn)
        world.put(box(wide, 0.2, 0.85), (x - 0.3 * s, y + 0.3 * c, 0), cloth, turn=turn)
    elif kind < 0.9:
        chest = box(random.uniform(0.4, 1.4), random.uniform(0.3, 0.7), tall := random.uniform(0.4, 2.0))
        world.put(chest, (x, y, 0), turn=turn)
        world.put_thing((x, y, tall), random.uniform(0.15, 0.5))
    else:
        world.put_thing((x, y, 0), random.uniform(0.4, 1.5))


def put_table(
    world: World, x: float, y: float, width: float, depth: float, level: float, wood: Material | None = None
) -> None:
    wood = wood or world.material(scale=0.5)
    if world.random.random() < 0.25:
        profile = np.array([[0, 0], [0.06, 0], [0.06, 0.96], [width / 2, 0.96], [width / 2, 1], [0, 1]])
        world.put(lathe(profile * [1, level]), (x, y, 0), wood)
        world.put(box(width, depth, 0.03), (x, y, level - 0.03), wood)
        return
    world.put(box(width, depth, 0.04), (x, y, level - 0.04), wood)
    for i in (-0.5, 0.5):
        for j in (-0.5, 0.5):
            world.put(box(0.05, 0.05, level), (x + i * (width - 0.06), y + j * (depth - 0.06), 0), wood)


def put_tree(world: World, x: float, y: float, z: float) -> None:
    random, height = world.random, world.random.uniform(2, 8)
    world.put(lathe(np.array([[0.05, 0], [0.04, 0.6], [0.01, 1]]) * [height * 0.6, height], 10), (x, y, z))
    leaves = world.material(scale=0.6)
    for _ in range(int(random.integers(1, 6))):
        size = height * random.uniform(0.2, 0.45)
        profile = np.array([[0, -1], [0.7, -0.7], [1, 0], [0.7, 0.7], [0, 1]]) * size / 2
        aside, ahead, up = *random.normal(0, 0.1, 2), random.uniform(0.6, 1)
        place = (x + aside * height, y + ahead * height, z + up * height)
        world.put(lathe(profile * random.uniform(0.8, 1.4), 12), place, leaves)


def put_house(world: World, x: float, y: float, z: float) -> None:
    random = world.random
    width, depth, height = random.uniform(4, 12), random.uniform(4, 9), random.uniform(2.5, 7)
    turn = random.uniform(0, 3)
    world.put(box(width, depth, height), (x, y, z), world.material(scale=1.0), turn=turn)
    roof = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0], [-0.9, 0, 1], [0.9, 0, 1]])
    roof = roof * [width * 0.55, depth * 0.6, depth * 0.4]
    faces = np.array([[0, 1, 5], [0, 5, 4], [2, 3, 4], [2, 4, 5], [0, 4, 3], [1, 2, 5]])
    world.put((roof, faces), (x, y, z + height), turn=turn)


def put_front(world: World, x: float, y: float, length: float, height: float, side: int) -> None:
    """A house along the street with windows let in or set on."""
    random = world.random
    world.put(box(6.0, length, height), (x + side * 3, y, 0), world.material(scale=1.2))
    glass, out = world.material(), random.uniform(0.03, 0.25)
    wide, tall, storey = random.uniform(0.7, 1.6), random.uniform(1, 1.9), random.uniform(2.6, 3.4)
    for level in np.arange(0.9, height - tall, storey):
        for along in np.arange(-length / 2 + 1.2, length / 2 - 1, wide * random.uniform(1.6, 2.6)):
            world.put(box(out, wide, tall), (x - side * out / 2, y + along, level), glass)


def put_car(world: World, x: float, y: float) -> None:
    paint, length = world.material(), world.random.uniform(3.4, 4.8)
    world.put(box(1.7, length, 0.65), (x, y, 0.3), paint)
    world.put(box(1.5, length * 0.5, 0.55), (x, y - 0.2, 0.95), world.material())
    wheel = lathe(np.array([[0, -0.1], [0.32, -0.1], [0.32, 0.1], [0, 0.1]]), 16)
    for i in (-0.8, 0.8):
        for j in (-0.3, 0.3):
            world.put(wheel, (x + i, y + j * length, 0.32), tilt=np.pi / 2, turn=np.pi / 2)


def look_at_middle(world: World, level: float, distance: float, most: float) -> None:
    random = world.random
    distance, rise, angle = min(distance, most), random.uniform(0.05, 1.0), random.uniform(0, 2 * np.pi)
    eye = np.array([np.cos(angle) * np.cos(rise), np.sin(angle) * np.cos(rise), np.sin(rise)]) * distance
    world.stand(eye + np.array([0, 0, level]), np.array([*random.normal(0, 0.12, 2), level + random.normal(0, 0.05)]))
