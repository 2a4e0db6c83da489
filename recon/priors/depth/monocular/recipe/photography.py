"""Pictures of a world: colour and inverse depth, by casting rays (open3d's Embree), one lamp or sun after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon.priors.depth.monocular.recipe.world import Stand, World

__all__ = ["Photograph", "Studio"]

_CREASE = np.cos(np.radians(40))
_AWAY = 1e-3
"""Shadow rays start so far from the surface, as a share of the distance to the camera."""


@dataclass(frozen=True)
class Photograph:
    """What one camera saw."""

    rgb: np.ndarray
    """sRGB bytes, `h w 3`."""
    inverse: np.ndarray
    """One over the depth along the camera's axis, 1/m, `h w`; 0 is the sky."""


class Studio:
    """A world, ready to be photographed."""

    def __init__(self, world: World) -> None:
        import open3d as o3d

        self.world = world
        shapes = [shape for shape, _ in world.parts]
        first = np.cumsum([0, *(len(vertices) for vertices, _ in shapes)])
        vertices = np.concatenate([vertices for vertices, _ in shapes])
        triangles = np.concatenate([t + offset for (_, t), offset in zip(shapes, first, strict=False)])
        self._part = np.repeat(np.arange(len(shapes)), [len(t) for _, t in shapes])
        self._normals = _corner_normals(vertices, triangles)
        self._scene = o3d.t.geometry.RaycastingScene(nthreads=1)
        self._scene.add_triangles(_tensor(vertices), o3d.core.Tensor.from_numpy(triangles.astype(np.uint32)))

    def photograph(self, stand: Stand, *, width: int, height: int, focal: float) -> Photograph:
        """`focal` in pixels. The camera is upright but for a few degrees, now and then for many."""
        random = self.world.random
        axes = _axes(stand, random.normal(0, 0.04 if random.random() < 0.85 else 0.25))
        u, v = np.meshgrid(np.arange(width) + 0.5 - width / 2, np.arange(height) + 0.5 - height / 2)
        rays = (np.stack([u, v, np.full_like(u, focal)], -1).reshape(-1, 3) / focal) @ axes
        hit = self._scene.cast_rays(_tensor(np.concatenate([np.broadcast_to(stand.eye, rays.shape), rays], -1)))
        depth = hit["t_hit"].numpy().astype(np.float64)
        colour = self._sky(rays)
        seen = np.isfinite(depth)
        triangle = hit["primitive_ids"].numpy()[seen].astype(np.int64)
        spot = hit["primitive_uvs"].numpy()[seen]
        colour[seen] = self._shade(rays[seen], depth[seen], stand.eye, triangle, spot, focal)
        inverse = np.where(seen, 1 / np.where(seen, depth, 1), 0).astype(np.float32)
        return Photograph(_developed(colour, random).reshape(height, width, 3), inverse.reshape(height, width))

    def _sky(self, rays: np.ndarray) -> np.ndarray:
        if self.world.sky is None:
            return np.zeros_like(rays)
        up = np.clip(rays[:, 2] / np.linalg.norm(rays, axis=1), 0, 1)[:, None] ** 0.5
        return self.world.sky[0] * (1 - up) + self.world.sky[1] * up

    def _shade(
        self, rays: np.ndarray, depth: np.ndarray, eye: np.ndarray, triangle: np.ndarray, spot: np.ndarray, focal: float
    ) -> np.ndarray:
        random = self.world.random
        points = eye + rays * depth[:, None]
        weights = np.stack([1 - spot.sum(-1), spot[:, 0], spot[:, 1]], -1)
        normal = (self._normals[triangle] * weights[:, :, None]).sum(1)
        towards = -rays / np.linalg.norm(rays, axis=1, keepdims=True)
        normal *= np.where((normal * towards).sum(-1, keepdims=True) < 0, -1, 1)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        part = self._part[triangle]
        albedo, gloss, glow = self._covering(points, normal, depth / focal, part)
        start = points + normal * (_AWAY * depth + 1e-4)[:, None]
        wander = normal + 0.98 * _directions(len(normal), random)
        reach = 0.25 * np.median(depth)
        open_ = 1 - 0.4 * self._hidden(start, wander * reach / np.linalg.norm(wander, axis=1, keepdims=True), 1.0)
        light = self.world.ambient * ((0.65 + 0.35 * normal[:, 2]) * open_)[:, None]
        shine = np.zeros_like(light)
        for lamp in self.world.lights:
            place = lamp.place + lamp.size * _directions(len(points), random)
            way = place if lamp.is_sun else place - start
            distance = np.linalg.norm(way, axis=1, keepdims=True)
            straight = way / distance
            facing = np.clip((normal * straight).sum(-1), 0, None)
            free = 1 - self._hidden(start, straight if lamp.is_sun else way, 1e6 if lamp.is_sun else 0.97)
            power = lamp.colour if lamp.is_sun else lamp.colour / (0.3 + distance**2)
            half = straight + towards
            half /= np.linalg.norm(half, axis=1, keepdims=True)
            light += power * (facing * free)[:, None]
            shine += power * (free * np.clip((normal * half).sum(-1), 0, None) ** 40)[:, None]
        return albedo * (light + glow[:, None]) + gloss[:, None] * shine

    def _covering(
        self, points: np.ndarray, normal: np.ndarray, pixel: np.ndarray, part: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        albedo, gloss, glow = np.empty_like(points), np.empty(len(points)), np.empty(len(points))
        order = np.argsort(part, kind="stable")
        shown, first = np.unique(part[order], return_index=True)
        for which, rows in zip(shown, np.split(order, first[1:]), strict=True):
            material = self.world.parts[which][1]
            albedo[rows] = material.colour(points[rows], normal[rows], pixel[rows])
            gloss[rows], glow[rows] = material.gloss, material.glow
        return np.clip(albedo, 0, 1), gloss, glow

    def _hidden(self, start: np.ndarray, way: np.ndarray, far: float) -> np.ndarray:
        rays = _tensor(np.concatenate([start, way], -1))
        return self._scene.test_occlusions(rays, tnear=0.0, tfar=far).numpy().astype(np.float64)


def _axes(stand: Stand, roll: float) -> np.ndarray:
    """Rows: right, down, forward of the camera in the world."""
    forward = stand.target - stand.eye
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0, 0, 1])
    right /= np.linalg.norm(right)
    down = np.cross(forward, right)
    c, s = np.cos(roll), np.sin(roll)
    return np.stack([c * right + s * down, c * down - s * right, forward])


def _corner_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Normals at the corners of triangles, `t 3 3`: smooth but for creases."""
    corner = vertices[triangles]
    face = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    mean = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(mean, triangles[:, k], face)
    face = face / np.maximum(np.linalg.norm(face, axis=1, keepdims=True), 1e-12)
    mean = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    smooth = mean[triangles]
    crease = (smooth * face[:, None]).sum(-1, keepdims=True) < _CREASE
    return np.where(crease, face[:, None], smooth)


def _directions(count: int, random: np.random.Generator) -> np.ndarray:
    way = random.normal(size=(count, 3))
    return way / np.linalg.norm(way, axis=1, keepdims=True)


def _developed(colour: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Exposed as a camera would, more or less; a soft shoulder; sRGB's curve."""
    exposure = random.uniform(0.25, 0.6) / max(float(np.percentile(colour.max(-1), 80)), 1e-6)
    linear = 1 - np.exp(-1.5 * exposure * colour * np.exp(random.normal(0, 0.06, 3)))
    return (np.clip(linear, 0, 1) ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def _tensor(values: np.ndarray):
    import open3d as o3d

    return o3d.core.Tensor.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
