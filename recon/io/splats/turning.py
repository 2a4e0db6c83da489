"""Gaussians in other axes: positions, orientations and the spherical harmonics with them.

A turn is an orthogonal 3x3 matrix; one of determinant -1 mirrors the scene. Then a Gaussian's axes are mirrored too,
and because it looks the same along an axis and against it, its orientation stays a rotation.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from recon.geometry import quaternion_from_rotation
from recon.ops.splat_reference import sh_basis
from recon.types import Gaussians

__all__ = ["placed", "turned"]


def turned(gaussians: Gaussians, turn: Float[np.ndarray, "3 3"]) -> Gaussians:
    """The same Gaussians in axes that `turn` takes points to. Nothing at all changes under the identity."""
    if np.array_equal(turn, np.eye(3)):
        return gaussians
    matrix = torch.from_numpy(turn).to(gaussians.means.device)
    quaternion = torch.from_numpy(quaternion_from_rotation(np.linalg.det(turn).round() * turn))
    return replace(
        gaussians,
        means=(gaussians.means.double() @ matrix.T).float(),
        quats=_after(quaternion.to(gaussians.quats), gaussians.quats),
        sh=_turned_sh(gaussians.sh, matrix),
    )


def placed(gaussians: Gaussians, b_from_a: Float[np.ndarray, "4 4"]) -> Gaussians:
    """Gaussians of frame a in frame b: a turn, which may mirror, a uniform scale and a shift.

    Sums are taken in double precision: a georeferenced frame has its origin far away. Without a turn, quaternions and
    harmonics keep every bit.
    """
    scale = float(np.cbrt(abs(np.linalg.det(b_from_a[:3, :3]))))
    turn = b_from_a[:3, :3] / scale
    turn = np.where(np.abs(turn - np.rint(turn)) < 1e-9, np.rint(turn), turn)
    means = gaussians.means.double() @ torch.from_numpy(b_from_a[:3, :3].T).to(gaussians.means.device)
    return replace(
        turned(gaussians, turn),
        means=(means + torch.from_numpy(b_from_a[:3, 3]).to(means)).float(),
        log_scales=(gaussians.log_scales.double() + math.log(scale)).float(),
    )


def _after(second: Float[Tensor, "4"], first: Float[Tensor, "g 4"]) -> Float[Tensor, "g 4"]:
    """The quaternion product second x first: first turned, then second."""
    a, b, c, d = second
    w, x, y, z = first.unbind(-1)
    rows = [
        a * w - b * x - c * y - d * z,
        a * x + b * w + c * z - d * y,
        a * y - b * z + c * w + d * x,
        a * z + b * y - c * x + d * w,
    ]
    return torch.stack(rows, dim=-1)


def _turned_sh(sh: Float[Tensor, "g k 3"], turn: Float[Tensor, "3 3"]) -> Float[Tensor, "g k 3"]:
    """Coefficients whose colour in direction `turn @ d` is the old colour in direction d; bands do not mix.

    Each band's matrix is found from the values of its functions in more directions than it has functions.
    """
    degree = int(sh.shape[1] ** 0.5) - 1
    towards = torch.randn(64, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(sh.device)
    towards = towards / towards.norm(dim=-1, keepdim=True)
    new, old = sh_basis(degree, towards), sh_basis(degree, towards @ turn)
    out = sh.clone()
    for band in range(1, degree + 1):
        part = slice(band * band, (band + 1) * (band + 1))
        matrix = torch.linalg.lstsq(new[:, part], old[:, part]).solution
        matrix = torch.where((matrix - matrix.round()).abs() < 1e-12, matrix.round(), matrix)
        out[:, part] = torch.einsum("ij,gjc->gic", matrix.to(sh.dtype), sh[:, part])
    return out
