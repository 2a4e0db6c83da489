"""Points spread evenly over clouds, and the neighbours of places in them.

Letters: `b` clouds, `n` points of each, `s` chosen points or centres, `k` neighbours. Neither operator has a gradient:
both answer with indices. Source: Qi et al. 2017, "PointNet++", 3.2; Eldar et al. 1997 for farthest points.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recon.ops.device import gpu_kernels, stream_of
from recon.ops.native import native

__all__ = ["ball_query", "ball_query_reference", "farthest_points", "farthest_points_reference"]


def farthest_points(points: Float[Tensor, "b n 3"], count: int) -> Int[Tensor, "b s"]:
    """Indices of `count` points of each cloud, each the farthest from all before it.

    The first is the farthest from the middle of the cloud's bounding box; the lowest index wins among equals. So the
    places chosen do not depend on the order of the points, but for points equally far.
    """
    _expect_enough(points, count)
    chosen = torch.empty(len(points), count, dtype=torch.int64, device=points.device)
    planes = points.detach().float().transpose(1, 2).contiguous()
    distances = torch.empty_like(planes[:, 0])
    kernels = gpu_kernels(points)
    if kernels is not None:
        kernels.cuda_farthest_points(planes, distances, chosen, stream_of(points))
    else:
        native().farthest_points(planes, distances, chosen, torch.get_num_threads())
    return chosen


def farthest_points_reference(points: Float[Tensor, "b n 3"], count: int) -> Int[Tensor, "b s"]:
    """`farthest_points`, written to be read, for any floating type."""
    _expect_enough(points, count)
    middle = (points.amin(dim=1) + points.amax(dim=1)) / 2
    last = _first_of_the_farthest((points - middle[:, None]).square().sum(dim=2))
    nearest = torch.full_like(points[:, :, 0], torch.inf)
    chosen = []
    for _ in range(count):
        chosen.append(last)
        to_last = (points - points[torch.arange(len(points)), last][:, None]).square().sum(dim=2)
        nearest = torch.minimum(nearest, to_last)
        last = _first_of_the_farthest(nearest)
    return torch.stack(chosen, dim=1) if chosen else points.new_empty(len(points), 0, dtype=torch.int64)


def _first_of_the_farthest(distances: Float[Tensor, "b n"]) -> Int[Tensor, "b"]:
    return (distances == distances.amax(dim=1, keepdim=True)).int().argmax(dim=1)


def _expect_enough(points: Float[Tensor, "b n 3"], count: int) -> None:
    if count > points.shape[1]:
        raise ValueError(f"{count} points were asked of clouds of {points.shape[1]}.")


def ball_query(
    centers: Float[Tensor, "b s 3"], points: Float[Tensor, "b n 3"], *, radius: float, count: int
) -> Int[Tensor, "b s k"]:
    """Indices of the first `count` points within `radius` of each centre.

    Where there are fewer, the first is repeated; a ball without any holds the nearest point alone.
    """
    neighbours = torch.empty(*centers.shape[:2], count, dtype=torch.int64, device=points.device)
    planes = points.detach().float().transpose(1, 2).contiguous()
    places = centers.detach().float().contiguous()
    kernels = gpu_kernels(points, centers)
    if kernels is not None:
        kernels.cuda_ball_query(places, planes, radius, neighbours, stream_of(points))
    else:
        native().ball_query(places, planes, radius, neighbours, torch.get_num_threads())
    return neighbours


def ball_query_reference(
    centers: Float[Tensor, "b s 3"], points: Float[Tensor, "b n 3"], *, radius: float, count: int
) -> Int[Tensor, "b s k"]:
    """`ball_query`, written to be read, for any floating type."""
    distances = (centers[:, :, None] - points[:, None]).square().sum(dim=3)
    inside = distances <= radius**2
    ranks = torch.where(inside, torch.arange(points.shape[1]), points.shape[1])
    first = ranks.sort(dim=2).values[:, :, :count]
    first = torch.nn.functional.pad(first, (0, count - first.shape[2]), value=points.shape[1])
    fallback = torch.where(
        inside.any(dim=2), first[:, :, 0], _first_of_the_farthest(-distances.flatten(0, 1)).view_as(first[:, :, 0])
    )
    return torch.where(first < points.shape[1], first, fallback[:, :, None])
