"""The score card: how wrong depth is after alignment, without and with sparse points, beside a plane's.

Every map gets the scale and shift in inverse depth that bring it nearest to the truth, in the sum of distances between
logarithms; a plane gets its distance in the same way, and the best plane the one with the least AbsRel. AbsRel is the
mean of |depth - truth| / truth. What is 20 times as far as the nearest tenth of a picture is not judged, and no map is
farther, as benchmarks end at 80 m on streets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from recon.priors.depth.monocular.filling import filled
from recon.priors.depth.monocular.network import DepthNetwork
from recon.priors.depth.monocular.prior import working_size
from recon.priors.depth.monocular.recipe.batches import Examples, sparse_points
from recon.priors.depth.monocular.recipe.scenes import render_split

__all__ = ["Answer", "captured", "network_answer", "plane_error", "relative_error", "rendered", "score"]

_FARTHEST = 20
"""Times the depth of the nearest tenth."""
_ROUNDS = 15
_SAMPLE = 2000
"""Pixels that alignments look at."""

Answer = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Relative inverse depth from colours `b 3 h w`, sparse inverse depth and where it is known, each `b 1 h w`."""


def network_answer(net: DepthNetwork, *, points: bool) -> Answer:
    """The network with or without the sparse points."""

    def answer(rgb: Tensor, sparse: Tensor, known: Tensor) -> Tensor:
        with torch.inference_mode():
            return net(rgb, sparse, known) if points else net(rgb)

    return answer


def score(examples: Iterable[Examples], net: DepthNetwork) -> dict[str, float]:
    """Mean AbsRel over pictures: of planes, of sparse points merely spread out, and of the network."""
    without, given = network_answer(net, points=False), network_answer(net, points=True)
    errors: dict[str, list[float]] = {
        name: [] for name in ("plane", "best_plane", "spread_points", "network", "network_with_points")
    }
    for batch in examples:
        for k in range(len(batch.rgb)):
            seen = tuple(part[k : k + 1] for part in (batch.rgb, batch.sparse, batch.known))
            truth = batch.inverse[k, 0]
            if int((truth > 0).sum()) < 100:
                continue
            errors["plane"].append(relative_error(torch.ones_like(truth), truth, shifted=False))
            errors["best_plane"].append(plane_error(truth))
            errors["spread_points"].append(relative_error(filled(seen[1], seen[2])[0, 0], truth))
            errors["network"].append(relative_error(without(*seen)[0, 0], truth))
            errors["network_with_points"].append(relative_error(given(*seen)[0, 0], truth))
    means = {name: round(float(np.mean(values)), 4) for name, values in errors.items()}
    return means | {"pictures": len(errors["plane"])}


def relative_error(answer: Float[Tensor, "h w"], truth: Float[Tensor, "h w"], *, shifted: bool = True) -> float:
    """AbsRel of relative inverse depth against inverse depth (0 unknown), after alignment by scale and shift."""
    farthest = judged_from(truth)
    real = truth > farthest
    given, wanted = answer[real].double(), truth[real].double()
    scale, shift = _aligned(given, wanted, shifted=shifted)
    found = (scale * given + shift).clamp(min=farthest)
    return float((wanted / found - 1).abs().mean())


def plane_error(truth: Float[Tensor, "h w"]) -> float:
    """The least AbsRel that any one depth has: that of the median, weighted by one over the depth."""
    wanted = truth[truth > judged_from(truth)].sort(descending=True).values.double()
    middle = int((wanted.cumsum(0) < wanted.sum() / 2).sum())
    return float((wanted / wanted[middle] - 1).abs().mean())


def judged_from(truth: Float[Tensor, "h w"]) -> float:
    """The least inverse depth that counts."""
    return max(float(truth[truth > 0].quantile(0.9)) / _FARTHEST, 1e-9)


def _aligned(x: Tensor, y: Tensor, *, shifted: bool) -> tuple[float, float]:
    """Scale and shift with about the least sum of |log(scale x + shift) - log y|, by reweighted least squares."""
    step = max(len(x) // _SAMPLE, 1)
    x, y = x[::step], y[::step]
    columns = torch.stack([x, torch.ones_like(x)], dim=1) if shifted else x[:, None]
    weight, least = 1 / y, float(y.min()) / 2
    best, found = torch.inf, torch.zeros(columns.shape[1], dtype=y.dtype)
    for _ in range(_ROUNDS):
        normal = columns.T @ (weight[:, None] * columns)
        normal = normal + 1e-9 * normal.diagonal().mean() * torch.eye(len(normal), dtype=y.dtype)
        tried = torch.linalg.solve(normal, columns.T @ (weight * y))
        value = (columns @ tried).clamp(min=least)
        distance = (value / y).log().abs()
        if float(distance.sum()) < best:
            best, found = float(distance.sum()), tried
        weight = 1 / (value * y * distance.clamp(min=1e-3))
    return float(found[0]), float(found[1]) if shifted else 0.0


def rendered(folder: Path, split: str, worlds: int) -> Iterable[Examples]:
    """Photographs of rendered worlds, at the size that the network works at."""
    for number, path in enumerate(render_split(folder, split, worlds)):
        with np.load(path) as file:
            rgb = torch.from_numpy(file["rgb"]).permute(0, 3, 1, 2).float() / 255
            inverse = torch.from_numpy(file["inverse"].astype(np.float32))[:, None]
        yield _at_working_size(rgb, inverse, seed=number)


def captured(folder: Path, split: str = "test") -> Iterable[Examples]:
    """Pictures of a capture with exact depth (`depth/SPLIT_r_I.npz` beside `SPLIT/r_I.png`)."""
    from PIL import Image

    for number, path in enumerate(sorted((folder / "depth").glob(f"{split}_*.npz"))):
        with Image.open(folder / split / path.with_suffix(".png").name.removeprefix(f"{split}_")) as opened:
            pixels = torch.from_numpy(np.array(opened.convert("RGBA"))).float() / 255
        rgb = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
        with np.load(path) as file:
            depth = torch.from_numpy(file["depth"].astype(np.float32))
        depth = torch.where(pixels[..., 3] > 0.5, depth, 0)
        inverse = torch.where(depth > 0, 1 / depth.clamp(min=1e-6), 0)
        yield _at_working_size(rgb.permute(2, 0, 1)[None], inverse[None, None], seed=number)


def _at_working_size(rgb: Tensor, inverse: Tensor, seed: int) -> Examples:

    size = working_size(*rgb.shape[-2:])
    rgb = F.interpolate(rgb, size=size, mode="bilinear", antialias=True, align_corners=False)
    inverse = F.interpolate(inverse, size=size, mode="nearest-exact")
    sparse, known = sparse_points(rgb, inverse, torch.Generator().manual_seed(seed))
    return Examples(rgb, inverse, sparse, known)
