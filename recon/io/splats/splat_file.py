"""`.splat`, 32 bytes a Gaussian and no header: antimatter15's format. Source: the format's reference converter.

Position 3 x float32, size 3 x float32, colour and opacity 4 x uint8, quaternion wxyz 4 x uint8 around 128. Those that
matter most come first. View-dependent colour has no place in it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recon.io.disk import whole
from recon.io.splats.arrays import columns_of, gaussians_from
from recon.io.splats.asset import SplatAsset
from recon.io.splats.coding import SH_CONSTANT, bytes_of_opacities, logits_of_bytes, rounded, sigmoid, unit_quaternions
from recon.io.splats.damage import damaged, read_file

__all__ = ["read_splat", "write_splat"]

_ROW = np.dtype([("position", "<f4", 3), ("size", "<f4", 3), ("colour", "u1", 4), ("rotation", "u1", 4)])


def read_splat(path: Path) -> SplatAsset:
    """Base colours only."""
    data = read_file(path)
    if len(data) == 0 or len(data) % _ROW.itemsize != 0:
        raise damaged(path, f"{len(data)} bytes are no whole number of records of {_ROW.itemsize}")
    rows = np.frombuffer(data, dtype=_ROW)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scales = np.log(rows["size"])
    quats = (rows["rotation"].astype(np.float32) - 128) / 128
    colours = (rows["colour"][:, :3].astype(np.float32) / 255 - 0.5) / SH_CONSTANT
    return SplatAsset(
        gaussians_from(
            means=rows["position"],
            quats=unit_quaternions(quats),
            log_scales=log_scales,
            opacity_logits=logits_of_bytes(rows["colour"][:, 3]),
            sh=colours[:, None],
        )
    )


def write_splat(asset: SplatAsset, path: Path) -> None:
    means, quats, log_scales, logits, sh = columns_of(asset.gaussians)
    rows = np.empty(len(means), dtype=_ROW)
    rows["position"], rows["size"] = means, np.exp(log_scales)
    rows["colour"][:, :3] = rounded((sh[:, 0] * SH_CONSTANT + 0.5) * 255)
    rows["colour"][:, 3] = bytes_of_opacities(logits)
    rows["rotation"] = rounded(unit_quaternions(quats) * 128 + 128)
    importance = sigmoid(logits) * np.exp(log_scales.astype(np.float64).sum(axis=1))
    with whole(path) as unfinished:
        unfinished.write_bytes(rows[np.argsort(-importance, kind="stable")].tobytes())
