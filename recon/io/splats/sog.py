"""Writing SOG, PlayCanvas's splats in images. Source: version 2 of its published specification.

`meta.json` names lossless WebP images whose pixel i is Gaussian i: means in two times 8 bits of a signed logarithm,
quaternions as which component is the largest and the others, log scales and base colours as indices of codebooks,
harmonics as indices of a palette whose entries index a codebook. `.sog` is a zip of them; `meta.json` may also lie
beside its images. Axes are those of 3DGS files, as other writers have it, although the specification names others.
"""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from recon import __version__
from recon.io.disk import whole
from recon.io.splats.arrays import columns_of
from recon.io.splats.asset import SplatAsset
from recon.io.splats.codebook import codebook, palette
from recon.io.splats.coding import drop_largest, rounded, sigmoid, unit_quaternions
from recon.io.splats.damage import damaged
from recon.io.splats.guess import guessed_weights
from recon.io.splats.outliers import drawn_in
from recon.ops.blocks import morton_order

__all__ = ["SogLevels", "write_sog"]

_ROW = 64
"""Palette entries in a row of its image."""
_LEAST_PALETTE, _LARGEST_PALETTE = 64, 1 << 16
_MOST_SPARE_BITS = 7


@dataclass(frozen=True)
class SogLevels:
    """How many different values there are: fewer pack better and show more.

    Of two trained scenes of 100k Gaussians (studio, fox), sizes and the palette are what shows; the rest costs less.
    """

    scales: int = 256
    colours: int = 128
    quaternions: int = 256
    opacities: int = 128
    harmonics: int = 64
    palette: float = 1 / 16
    """Entries for each Gaussian."""
    position: float = 0.4
    """Largest error, as a share of the smaller Gaussians' size."""


def write_sog(asset: SplatAsset, path: Path, levels: SogLevels | None = None) -> None:
    """One zip, or where `path` is a meta.json, images beside it. meta.json comes last: without it, nothing is there."""
    meta, images = _described(asset, levels or SogLevels(), path)
    text = json.dumps(meta, allow_nan=False).encode("utf-8")
    if path.suffix.lower() == ".json":
        for name, image in images.items():
            with whole(path.with_name(name)) as unfinished:
                unfinished.write_bytes(_webp(image))
        with whole(path) as unfinished:
            unfinished.write_bytes(text)
        return
    with whole(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_STORED) as file:
        for name, data in [*((name, _webp(image)) for name, image in images.items()), ("meta.json", text)]:
            file.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), data)


def _described(
    asset: SplatAsset, levels: SogLevels, path: Path
) -> tuple[dict[str, Any], dict[str, UInt8[np.ndarray, "h w c"]]]:
    """meta.json and the images of its Gaussians, neighbours side by side."""
    order = morton_order(asset.gaussians.means.cpu()).numpy()
    means, quats, log_scales, logits, sh = (column[order] for column in columns_of(asset.gaussians))
    weights = guessed_weights(asset.gaussians).sqrt() if asset.weights is None else asset.weights
    if len(means) == 0:
        raise damaged(path, "SOG has no images of nothing")
    means, log_scales = drawn_in(means, log_scales)
    fixed, lows, highs = _fixed(means, log_scales, levels.position)
    largest, others = drop_largest(unit_quaternions(quats))
    turns = _steps(others * np.sqrt(0.5) + 0.5, levels.quaternions)
    scale_book, scales = codebook(log_scales, levels.scales)
    colour_book, colours = codebook(sh[:, 0], levels.colours)
    opacities = _steps(sigmoid(logits), levels.opacities)
    images = {
        "means_l.webp": _image(fixed & 255),
        "means_u.webp": _image(fixed >> 8),
        "quats.webp": _image(np.concatenate([turns, 252 + largest[:, None]], axis=1)),
        "scales.webp": _image(scales),
        "sh0.webp": _image(np.concatenate([colours, opacities[:, None]], axis=1)),
    }
    meta: dict[str, Any] = {
        "version": 2,
        "asset": {"generator": f"recon {__version__}", "extras": _standing(asset)},
        "count": len(means),
        "antialias": asset.gaussians.antialiased,
        "means": {"mins": lows.tolist(), "maxs": highs.tolist(), "files": ["means_l.webp", "means_u.webp"]},
        "scales": {"codebook": scale_book.tolist(), "files": ["scales.webp"]},
        "quats": {"files": ["quats.webp"]},
        "sh0": {"codebook": colour_book.tolist(), "files": ["sh0.webp"]},
    }
    if sh.shape[1] > 1:
        meta["shN"], more = _harmonics(sh[:, 1:], weights[torch.from_numpy(order)].float(), levels)
        images |= more
    return meta, images


def _standing(asset: SplatAsset) -> dict[str, Any]:
    """How the scene lies, which the format has no field for."""
    return {"frame": asset.frame, "up": asset.up}


def _fixed(
    means: Float[np.ndarray, "g 3"], log_scales: Float[np.ndarray, "g 3"], share: float
) -> tuple[np.ndarray, Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Signed logarithms of the means in 16 bits, and the range of these.

    As many of the low bits are zero as leave the smaller Gaussians where they are to a share of their size.
    """
    logs = np.sign(means) * np.log1p(np.abs(means.astype(np.float64)))
    lows = logs.min(axis=0)
    span = np.maximum(logs.max(axis=0) - lows, 1e-9)
    step = span / 65535 * (1 + np.median(np.abs(means), axis=0))
    allowed = share * float(np.exp(np.quantile(log_scales, 0.1)))
    spare = 2.0 ** np.clip(np.floor(np.log2(np.maximum(2 * allowed / step, 1))), 0, _MOST_SPARE_BITS)
    fixed = np.clip(np.rint((logs - lows) / span * 65535 / spare) * spare, 0, 65535).astype(np.int64)
    return fixed, lows, lows + span


def _steps(shares: Float[np.ndarray, "*g"], levels: int) -> UInt8[np.ndarray, "*g"]:
    """Bytes of shares 0..1 that take so many values."""
    return rounded(np.rint(shares * (levels - 1)) * (255 / (levels - 1)))


def _harmonics(
    further: Float[np.ndarray, "g k 3"], weights: Float[Tensor, "g"], levels: SogLevels
) -> tuple[dict[str, Any], dict[str, UInt8[np.ndarray, "h w c"]]]:
    """The palette's part of meta.json, its image, and the image of which entry each Gaussian has."""
    count, k, _ = further.shape
    wanted = int(np.clip(count * levels.palette, _LEAST_PALETTE, _LARGEST_PALETTE))
    vectors = torch.from_numpy(further.reshape(count, 3 * k))
    entries, labels = palette(vectors, weights.clamp(min=0) / weights.mean().clamp(min=1e-30), wanted)
    # Entries of like colour side by side pack better.
    order = entries[:, : 3 * min(k, 3)].sum(dim=1).argsort()
    labels = order.argsort()[labels].numpy()
    book, indices = codebook(entries[order].numpy(), levels.harmonics)
    filled = np.zeros((-(-len(entries) // _ROW) * _ROW, k, 3), dtype=np.uint8)
    filled[: len(entries)] = indices.reshape(len(entries), k, 3)
    files = ["shN_centroids.webp", "shN_labels.webp"]
    pictures = filled.reshape(-1, _ROW * k, 3), _image(np.stack([labels & 255, labels >> 8, 0 * labels], axis=1))
    bands = {3: 1, 8: 2, 15: 3}[k]
    meta = {"count": len(entries), "bands": bands, "codebook": book.tolist(), "files": files}
    return meta, dict(zip(files, pictures, strict=True))


def _image(values: np.ndarray) -> UInt8[np.ndarray, "h w c"]:
    """Row by row, sides divisible by 4; what is left over repeats the last."""
    count = len(values)
    width = max(4, -(-int(np.ceil(np.sqrt(count))) // 4) * 4)
    height = max(4, -(-count // (4 * width)) * 4)
    filled = np.pad(values, ((0, height * width - count), (0, 0)), mode="edge")
    return filled.astype(np.uint8).reshape(height, width, -1)


def _webp(image: UInt8[np.ndarray, "h w c"]) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(image).save(out, "WEBP", lossless=True, quality=100, method=4, exact=True)
    return out.getvalue()
