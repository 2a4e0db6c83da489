"""The first Gaussians: one at every sparse point, as large as the gap to its neighbours."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

from recon.ops.blocks import morton_order
from recon.types import Cameras, Gaussians, Points, Scene

__all__ = ["gaussians_from_scene", "neighbour_distance"]

_FEW = 100
"""With fewer points than this the scene is filled at random as well."""
_Y00 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi))."""


def gaussians_from_scene(
    scene: Scene,
    *,
    sh_degree: int,
    opacity: float,
    scale: float,
    random_points: int,
    most: int,
    generator: torch.Generator,
) -> Gaussians:
    """At most `most` Gaussians at the scene's points (or at random ones where there are hardly any), in Z order."""
    points = scene.points
    if len(points) < _FEW:
        points = _with_random(points, scene.cameras[list(scene.train)], min(random_points, most), generator)
    if len(points) > most:
        kept = torch.randperm(len(points), generator=generator)[:most].sort().values
        points = Points(points.xyz[kept], points.rgb[kept])
    order = morton_order(points.xyz.float())
    means = points.xyz.float()[order]
    sh = torch.zeros(len(means), (sh_degree + 1) ** 2, 3)
    sh[:, 0] = (points.rgb[order].float() / 255.0 - 0.5) / _Y00
    size = (neighbour_distance(means) * scale).clamp(min=1e-6 * scene.extent)
    return Gaussians(
        means=means,
        quats=torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(len(means), 1),
        log_scales=size.log()[:, None].repeat(1, 3),
        opacity_logits=torch.full((len(means),), math.log(opacity / (1 - opacity))),
        sh=sh,
    )


def neighbour_distance(points: Float[Tensor, "p 3"]) -> Float[Tensor, "p"]:
    """Root mean square distance to the three nearest other points; 1 where there is no other point."""
    count = min(3, len(points) - 1)
    if count < 1:
        return points.new_ones(len(points))
    try:
        from scipy.spatial import KDTree
    except ImportError:
        return _neighbour_distance_by_brute_force(points, count)
    cloud = points.double().numpy()
    distances, _ = KDTree(cloud).query(cloud, k=count + 1)
    return torch.from_numpy(distances[:, 1:]).square().mean(dim=1).sqrt().to(points.dtype)


def _neighbour_distance_by_brute_force(points: Float[Tensor, "p 3"], count: int) -> Float[Tensor, "p"]:
    """The same without scipy; 10k points take about a second."""
    parts = []
    for chunk in points.double().split(1024):
        distances = torch.cdist(chunk, points.double(), compute_mode="donot_use_mm_for_euclid_dist")
        parts.append(distances.topk(count + 1, largest=False).values[:, 1:].square().mean(dim=1).sqrt())
    return torch.cat(parts).to(points.dtype)


def _with_random(points: Points, cameras: Cameras, count: int, generator: torch.Generator) -> Points:
    """The points, and random ones in the cube that the cameras look at."""
    center, half = _seen_cube(cameras)
    xyz = center + half * (2 * torch.rand(count, 3, generator=generator) - 1)
    rgb = torch.randint(0, 256, (count, 3), generator=generator, dtype=torch.uint8)
    return Points(torch.cat([points.xyz.float(), xyz]), torch.cat([points.rgb, rgb]))


def _seen_cube(cameras: Cameras) -> tuple[Float[Tensor, "3"], float]:
    """Centre and half side of the cube around the point nearest to all optical axes.

    Half the mean distance to the cameras holds an object that fills the photos. Parallel axes meet nowhere; a small
    pull to a point in front of the cameras decides then.
    """
    position = cameras.position.double()
    axis = cameras.cam_from_world[:, 2, :3].double()
    across = torch.eye(3, dtype=torch.double) - axis[:, :, None] * axis[:, None, :]
    spread = float((position - position.mean(dim=0)).norm(dim=-1).max())
    ahead = (position + axis * max(spread, 1.0)).mean(dim=0)
    pull = 1e-3 * len(position)
    matrix = across.sum(dim=0) + pull * torch.eye(3, dtype=torch.double)
    right = (across @ position[:, :, None]).sum(dim=0)[:, 0] + pull * ahead
    center = torch.linalg.solve(matrix, right)
    half = 0.5 * float((center - position).norm(dim=-1).mean())
    return center.float(), half
