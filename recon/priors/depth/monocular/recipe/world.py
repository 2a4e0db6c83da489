"""A world to be photographed: covered shapes, lights, a sky, and where cameras may stand. Metres, z up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from recon.priors.depth.monocular.recipe.shapes import Shape, moved
from recon.priors.depth.monocular.recipe.textures import Material, random_material

__all__ = ["Light", "Stand", "World"]

Random = np.random.Generator


@dataclass(frozen=True)
class Light:
    """A lamp at `place`, or the sun in the direction of `place`."""

    place: np.ndarray
    colour: np.ndarray
    size: float
    """Radius in metres of a lamp; of the sun, as a share of its distance."""
    is_sun: bool = False


@dataclass(frozen=True)
class Stand:
    """A camera's place and what it looks at."""

    eye: np.ndarray
    target: np.ndarray


@dataclass
class World:
    """Furnished step by step by a layout."""

    random: Random
    things: tuple[Callable[[Random], Shape], ...]
    patterns: tuple[Callable[..., np.ndarray], ...]
    parts: list[tuple[Shape, Material]] = field(default_factory=list)
    lights: list[Light] = field(default_factory=list)
    stands: list[Stand] = field(default_factory=list)
    ambient: np.ndarray = field(default_factory=lambda: np.full(3, 0.3))
    sky: np.ndarray | None = None
    """Linear colours of horizon and zenith, `2 3`; None where no ray gets out."""

    def material(self, scale: float = 0.4, glow: float = 0.0) -> Material:
        return random_material(self.random, self.patterns, scale=scale, glow=glow)

    def put(self, shape: Shape, place: tuple | np.ndarray, material: Material | None = None, **turned: float) -> None:
        self.parts.append((moved(shape, place, **turned), material or self.material()))

    def put_thing(self, place: tuple | np.ndarray, height: float, **turned: float) -> None:
        """One of the things, as high as that, squeezed a little, turned at random, in one or two materials."""
        random = self.random
        vertices, triangles = self.things[int(random.integers(len(self.things)))](random)
        size = height * random.uniform(0.8, 1.25, 3)
        turn = {"turn": random.uniform(0, 2 * np.pi)} | turned
        self.put((vertices * size, triangles), place, self.material(scale=0.35 * height), **turn)

    def light_room(self, width: float, depth: float, height: float) -> None:
        random = self.random
        for _ in range(int(random.integers(1, 4))):
            x, y = random.uniform(-0.4, 0.4, 2) * [width, depth]
            warm = 1 + random.normal(0, 0.1) * np.array([1, 0, -1])
            power = random.uniform(0.4, 1.5) * (width * depth) ** 0.5
            place = np.array([x, y, height * random.uniform(0.7, 0.96)])
            self.lights.append(Light(place, power * warm, random.uniform(0.003, 0.03) * width))
        self.ambient = np.full(3, random.uniform(0.1, 0.5))

    def light_outside(self) -> None:
        random = self.random
        across = random.normal(size=2)
        direction = np.array([*across, np.linalg.norm(across) * random.uniform(0.3, 2.5)])
        strength = random.choice([0.15, 1.0, 1.3])
        sun = Light(direction / np.linalg.norm(direction), strength * np.array([1.05, 1.0, 0.9]), 0.01, is_sun=True)
        self.lights.append(sun)
        blue = random.uniform(0, 1)
        horizon = np.array([0.8, 0.85, 0.9]) * random.uniform(0.5, 1.1)
        self.sky = np.stack([horizon, horizon * (1 - blue * np.array([0.7, 0.5, 0.1]))])
        self.ambient = self.sky.mean(0) * random.uniform(0.4, 0.7)

    def stand(self, eye: np.ndarray | tuple, target: np.ndarray | tuple) -> None:
        self.stands.append(Stand(np.asarray(eye, float), np.asarray(target, float)))
