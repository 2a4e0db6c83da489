"""Scenes that the network is only judged by: other layouts, things and coverings than those of training."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from recon.priors.depth.monocular.recipe.layouts import VIEWS
from recon.priors.depth.monocular.recipe.pieces import build_walls, look_at_middle
from recon.priors.depth.monocular.recipe.shapes import HELD_OUT_THINGS, THINGS, box, lathe
from recon.priors.depth.monocular.recipe.textures import HELD_OUT_PATTERNS, PATTERNS
from recon.priors.depth.monocular.recipe.world import World

__all__ = ["HELD_OUT_LAYOUTS", "held_out_world"]


def held_out_world(seed: int) -> World:
    """World number `seed` of the scenes that training never sees: other layouts, things, coverings and seeds."""
    random = np.random.default_rng([2, seed])
    world = World(random, HELD_OUT_THINGS * 2 + THINGS[:4], HELD_OUT_PATTERNS * 4 + PATTERNS[:6])
    HELD_OUT_LAYOUTS[seed % len(HELD_OUT_LAYOUTS)](world)
    return world


def colonnade(world: World) -> None:
    """A hall between two rows of columns, with steps and things on the floor."""
    random = world.random
    width, depth, height = random.uniform(3, 7), random.uniform(8, 20), random.uniform(2.8, 6)
    build_walls(world, width, depth, height)
    radius, column = random.uniform(0.12, 0.3), world.material()
    for y in np.arange(-depth / 2 + 1, depth / 2, random.uniform(1.5, 3)):
        for side in (-1, 1):
            profile = np.array([[1.5, 0], [1.5, 0.2], [1, 0.35], [0.9, height - 0.3], [1.4, height]]) * [radius, 1]
            world.put(lathe(profile), (side * width * 0.32, y, 0), column)
    for _ in range(int(random.integers(3, 10))):
        world.put_thing((*(random.uniform(-0.4, 0.4, 2) * [width, depth]), 0), random.uniform(0.3, 1.3))
    world.light_room(width, depth, height)
    for _ in range(VIEWS):
        across, along = random.uniform(-0.25, 0.25) * width, random.uniform(-0.45, 0.3) * depth
        eye = np.array([across, along, random.uniform(0.6, 2)])
        angle = random.normal(0, 0.6)
        world.stand(eye, eye + np.array([np.sin(angle) * 4, np.cos(angle) * 4, random.normal(-0.3, 0.4)]))


def heap(world: World) -> None:
    """Things heaped on a round podium in a court under the sky."""
    random = world.random
    world.put(box(60.0, 60.0, 0.2), (0, 0, -0.2), world.material(scale=0.8))
    for angle in np.arange(0, 2 * np.pi, np.pi / 3):
        far = random.uniform(5, 12)
        wall = box(random.uniform(4, 14), 0.4, random.uniform(1, 6))
        world.put(wall, (far * np.cos(angle), far * np.sin(angle), 0), turn=angle + np.pi / 2)
    podium = random.uniform(0.2, 0.9)
    world.put(lathe(np.array([[0, 0], [1.1, 0], [1, podium], [0, podium]])), (0, 0, 0))
    for layer in range(int(random.integers(4, 12))):
        place = np.array([*(random.normal(0, 0.35, 2)), podium + 0.08 * layer * random.random()])
        world.put_thing(place, random.uniform(0.2, 0.7), tilt=random.normal(0, 0.5))
    world.light_outside()
    for _ in range(VIEWS):
        look_at_middle(world, podium + 0.25, random.uniform(1.3, 3.5), most=4.0)


HELD_OUT_LAYOUTS: tuple[Callable[[World], None], ...] = (colonnade, heap)
"""Judgement only."""
