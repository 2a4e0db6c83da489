"""Depth by recon's own small network, which comes with it: where nothing else is there, and offline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Float, UInt8
from torch import Tensor

from recon.errors import InputError
from recon.io.disk import regular
from recon.io.tensors import check_tensors, tensors_from
from recon.priors.depth.monocular.network import STRIDE, DepthNetwork
from recon.priors.depth.pretrained import over_white
from recon.priors.protocols import DepthMap, Progress
from recon.sparse import SparseDepth, sparse_depth
from recon.types import Scene

__all__ = ["SCORE_CARD", "WEIGHTS", "MonocularDepth", "load_depth_network", "look", "working_size"]

WEIGHTS = Path(__file__).with_name("weights.safetensors")
SCORE_CARD = WEIGHTS.with_name("score_card.json")
"""How wrong it is, as its recipe measured."""
_AREA = 160 * 128
"""Pixels that it looks at: about as many as in training, whatever the shape of the photo."""
_LEAST_POINTS = 8
_LEAST_SIDE = 32


class MonocularDepth:
    """A `DepthPrior`. It takes the sparse points of the scene as a second input where a photo shows enough of them."""

    def __init__(self, weights: Path | None = None) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.net = load_depth_network(weights or WEIGHTS).to(self.device)

    def predict(self, scene: Scene, views: Sequence[int], progress: Progress) -> Iterator[DepthMap]:
        for done, view in enumerate(views):
            progress(done / len(views), scene.names[view])
            picture = scene.images[view]
            height, width, _ = picture.rgb.shape
            if min(height, width) < _LEAST_SIDE:
                raise InputError(
                    f"{scene.names[view]} has {width} x {height} pixels; depth needs {_LEAST_SIDE} each way.",
                    advice="Leave it out, or use larger photos.",
                )
            points = sparse_depth(scene.points, scene.cameras[view])
            inverse = look(self.net, over_white(picture), points if len(points) >= _LEAST_POINTS else None)
            known = torch.ones(height, width) if picture.alpha is None else (picture.alpha.cpu() > 127).float()
            yield DepthMap(inverse, known, "relative")


def load_depth_network(weights: Path) -> DepthNetwork:
    """The network with those weights, ready to look."""
    net = DepthNetwork()
    try:
        tensors = {name: value.float() for name, value in tensors_from(regular(weights).read_bytes()).items()}
        check_tensors(tensors, {name: (value.dtype, tuple(value.shape)) for name, value in net.state_dict().items()})
        net.load_state_dict(tensors)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{weights} holds no weights of recon's depth network: {str(error).splitlines()[0]}.",
            advice="Install recon again, or pass what python -m recon.priors.depth.monocular.recipe pack wrote.",
        ) from error
    return net.eval().requires_grad_(False)


@torch.inference_mode()
def look(net: DepthNetwork, rgb: UInt8[Tensor, "h w 3"], points: SparseDepth | None) -> Float[Tensor, "h w"]:
    """Relative inverse depth of one photo."""
    height, width, _ = rgb.shape
    rows, columns = working_size(height, width)
    device = next(net.parameters()).device
    small = F.interpolate(
        rgb.to(device).permute(2, 0, 1)[None].float() / 255,
        size=(rows, columns),
        mode="bilinear",
        antialias=True,
        align_corners=False,
    )
    seen = (small,) if points is None else (small, *_scattered(points, (height, width), (rows, columns), device))
    answer = net(*seen)
    return F.interpolate(answer, size=(height, width), mode="bilinear", align_corners=False)[0, 0].cpu()


def working_size(height: int, width: int) -> tuple[int, int]:
    """The photo's shape as far as multiples of the stride allow."""
    scale = (_AREA / (height * width)) ** 0.5
    return tuple(max(round(side * scale / STRIDE), 1) * STRIDE for side in (height, width))  # type: ignore[return-value]


def _scattered(
    points: SparseDepth, of: tuple[int, int], to: tuple[int, int], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Inverse depths in a grid, their mean where several meet, and where there are any."""
    row = (points.row.to(device) * to[0]).div(of[0], rounding_mode="floor")
    column = (points.column.to(device) * to[1]).div(of[1], rounding_mode="floor")
    cell, inverse = row * to[1] + column, points.inverse.to(device).float()
    count = torch.zeros(to[0] * to[1], device=device).index_add(0, cell, torch.ones_like(inverse))
    total = torch.zeros(to[0] * to[1], device=device).index_add(0, cell, inverse)
    mean = torch.where(count > 0, total / count.clamp(min=1), 0)
    return mean.view(1, 1, *to), (count > 0).float().view(1, 1, *to)
