"""A few known inverse depths spread over the whole picture: at each pixel the plane through those near it and like it.

A plane's inverse depth is linear in the picture, so walls, floors and table tops come out whole; what has another
colour counts for less, so that an edge in the picture may be one in depth. Letters: `p` points, `q` pixels.

Source: Cleveland 1979 (locally weighted regression, robust weights); weights of colour as of Tomasi & Manduchi 1998.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

__all__ = ["spread"]

_MOST = 1024
"""Points that are looked at; of more, evenly many."""
_NEIGHBOURS = 4
"""As far as this one, counted by distance, a point's weight falls to a third."""
_COLOUR = 0.06
"""Difference in sRGB that colours of one thing have."""
_LEAST_LIKE = 0.002
"""Weight of a colour that is altogether different."""
_LEAST_REACH = 1 / 32
"""Of a weight, squared: a cluster of points still counts for what lies around it."""
_FLAT = 0.04
"""Variance that is added to the places of points: few points have no slope."""
_PIXELS = 4096
"""Fitted at once, for the memory's sake."""


def spread(
    values: Float[Tensor, "b 1 h w"], known: Float[Tensor, "b 1 h w"], rgb: Float[Tensor, "b 3 h w"]
) -> Float[Tensor, "b 1 h w"]:
    """`values` where `known` is 1, spread over pictures `rgb` (0..1) in their range; 0 for one without any."""
    smooth = F.avg_pool2d(F.pad(rgb, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    with torch.autocast(rgb.device.type, enabled=False):  # moments are differences of large numbers
        return torch.stack([_spread(values[k, 0], known[k, 0], smooth[k])[None] for k in range(len(values))])


def _spread(values: Float[Tensor, "h w"], known: Float[Tensor, "h w"], rgb: Float[Tensor, "3 h w"]) -> Tensor:
    height, width = values.shape
    row, column = torch.nonzero(known > 0, as_tuple=True)
    if len(row) == 0:
        return torch.zeros_like(values)
    chosen = torch.arange(0, len(row), -(-len(row) // _MOST), device=row.device)
    row, column = row[chosen], column[chosen]
    step = (len(row) / (height * width)) ** 0.5  # lengths are in the side of the area that a point has to itself
    rows, columns = torch.meshgrid(
        *((torch.arange(n, device=row.device) - n / 2) * step for n in (height, width)), indexing="ij"
    )
    places, colours = torch.stack([columns, rows], dim=-1), rgb.permute(1, 2, 0)
    fit = _Planes(places[row, column], colours[row, column], values[row, column])
    fit.doubt_outliers()
    parts = [
        fit.at(place, fit.weights(place, colour))
        for place, colour in zip(places.view(-1, 2).split(_PIXELS), colours.reshape(-1, 3).split(_PIXELS), strict=True)
    ]
    return torch.cat(parts).view(height, width).clamp(fit.value.min(), fit.value.max())


class _Planes:
    """Points, and the plane that fits them best around any place."""

    def __init__(self, place: Float[Tensor, "p 2"], colour: Float[Tensor, "p 3"], value: Float[Tensor, "p"]) -> None:
        self.place, self.colour, self.value = place, colour, value
        self.trust = torch.ones_like(value)

    def weights(self, at: Float[Tensor, "q 2"], like: Float[Tensor, "q 3"]) -> Float[Tensor, "q p"]:
        apart = torch.cdist(at, self.place).square()
        count = min(_NEIGHBOURS, len(self.place))
        reach = apart.topk(count, dim=1, largest=False).values[:, -1:].clamp(min=_LEAST_REACH)
        other = torch.cdist(like, self.colour).square()
        alike = torch.exp(-other / (2 * _COLOUR**2)) + _LEAST_LIKE
        return torch.exp(-apart / reach) * alike * self.trust

    def at(self, place: Float[Tensor, "q 2"], weights: Float[Tensor, "q p"]) -> Float[Tensor, "q"]:
        """The planes' values there: weighted least squares, a little flattened."""
        x, y = self.place.T
        v = self.value
        moments = torch.stack([torch.ones_like(v), x, y, v, x * x, y * y, x * y, x * v, y * v], dim=1)
        total, *sums = (weights @ moments).T
        total = total.clamp(min=1e-12)
        mx, my, mv, xx, yy, xy, xv, yv = (part / total for part in sums)
        xx, yy = xx - mx * mx + _FLAT, yy - my * my + _FLAT
        xy, xv, yv = xy - mx * my, xv - mx * mv, yv - my * mv
        det = xx * yy - xy * xy
        return mv + ((yy * xv - xy * yv) * (place[:, 0] - mx) + (xx * yv - xy * xv) * (place[:, 1] - my)) / det

    def doubt_outliers(self) -> None:
        """Points far from the plane that the others make count for less."""
        if len(self.value) <= _NEIGHBOURS:
            return
        weights = self.weights(self.place, self.colour)
        error = (self.at(self.place, weights.fill_diagonal_(0)) - self.value).abs()
        usual = 3 * error.median().clamp(min=1e-6)
        self.trust = 1 / (1 + (error / usual).square())
