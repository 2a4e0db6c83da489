"""Gaussians into a file, in the frame the input came in or another, and the promise that the file shows them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Bool
from torch import Tensor

from recon.errors import InputError, RunError
from recon.export.agreement import Agreement, compare
from recon.export.fitting import fitted
from recon.export.importance import seen_weights
from recon.export.outlook import look_of
from recon.export.splat_renderer import SplatRenderer
from recon.export.work import Progress, Work, Written
from recon.io.disk import unwritable
from recon.io.splats.asset import SplatAsset
from recon.io.splats.formats import SplatFormat, format_of, frame_for, read_splats, write_splats
from recon.io.splats.turning import placed
from recon.types import Gaussians, HasGaussians

__all__ = ["export_splats", "finite_gaussians"]

_SAME = 60.0
"""dB at which no byte of a picture differs by more than one."""
_MOST_LOSS = 0.5
"""dB that a lossless file may lose. Rounding costs a thousandth of it; a wrong turn or a lost column costs all."""


def export_splats(work: Work, path: Path, progress: Progress) -> Written:
    """Write, read back, render from the held-out cameras and compare with the model; only then the file gets its name.

    Gaussians with a number that is not finite are left out: no program can show them.
    """
    known = format_of(path, to_write=True)
    finite = finite_gaussians(work)
    asset = _splats_of(work, finite, path)
    everything = len(asset)
    weights = cache(lambda: seen_weights(finite, work.scene.cameras[list(work.scene.train)]))
    if known.weighs:
        asset = replace(asset, weights=weights())
    most = known.usual_most if work.max_bytes is None else work.max_bytes
    if most is not None:
        asset = fitted(asset, path.name, most, weights)
    with _unchecked(path) as unchecked:
        notes = write_splats(asset, unchecked)
        size = unchecked.stat().st_size
        read = read_splats(unchecked)
        broken = len(finite) < len(work.model.gaussians()) if isinstance(work.model, HasGaussians) else False
        shown = replace(work, model=SplatRenderer(finite)) if broken else work  # one NaN spoils whole pictures
        agreement = compare(shown, read.gaussians, work.output_from_world(asset.frame), progress)
        if len(asset) == everything and read.gaussians.sh_degree == asset.gaussians.sh_degree:
            _check(known, path, asset.gaussians, read.gaussians, agreement)
    frame = asset.frame or "input"
    same = "same as the model" if agreement.psnr >= _SAME else f"{agreement.psnr:.1f} dB like the model"
    lost = "nothing lost" if abs(agreement.loss) < 0.005 else f"{agreement.loss:.2f} dB lost"
    facts = {
        "format": known.name,
        "gaussians": len(asset),
        "left_out": everything - len(asset),
        "sh_degree": read.gaussians.sh_degree,
        "frame": frame,
        "psnr": round(agreement.psnr, 2),
        "loss": round(agreement.loss, 3),
        "loss_measured": agreement.measured,
        "views": agreement.views,
        "notes": list(notes),
    }
    counted = f"{len(asset)} Gaussians" if len(asset) == everything else f"{len(asset)} of {everything} Gaussians"
    line = f"{counted}, {size / 1e6:.1f} MB, frame {frame}, {same}, {lost}"
    return Written("; ".join([line, *notes]), facts)


def _splats_of(work: Work, gaussians: Gaussians, path: Path) -> SplatAsset:
    """The model's Gaussians as they will lie in `path`."""
    up = tuple(float(value) for value in work.scene.up)
    in_input = placed(gaussians, work.output_from_world(None))
    look = look_of(work.scene, work.output_from_world(None), background=work.background, title=work.name)
    labels = None if work.labels is None else work.labels.only(_finite(work))
    asset = SplatAsset(in_input, None, up, look=look, labels=labels)  # pyright: ignore[reportArgumentType] - three numbers
    frame = frame_for(path, asset, work.frame)
    return asset if frame is None else asset.in_frame(frame)


def finite_gaussians(work: Work) -> Gaussians:
    """The model's Gaussians but for those that are not finite."""
    if not isinstance(work.model, HasGaussians):
        raise InputError(
            "There are no splats to write: the run's model is of another kind.",
            advice="Make pictures or a film of it: recon render. Splats come from recon train ... gaussians.",
        )
    gaussians, good = work.model.gaussians(), _finite(work)
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    return replace(gaussians, **{name: getattr(gaussians, name).detach().cpu()[good] for name in names})


def _finite(work: Work) -> Bool[Tensor, "g"]:
    """Which of the model's Gaussians have no number that is not finite."""
    assert isinstance(work.model, HasGaussians)
    gaussians = work.model.gaussians()
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    columns = [getattr(gaussians, name).detach().flatten(1 if name != "opacity_logits" else 0) for name in names]
    rows = [column.isfinite().all(dim=-1) if column.ndim > 1 else column.isfinite() for column in columns]
    return torch.stack(rows).all(dim=0).cpu()


@contextmanager
def _unchecked(path: Path) -> Iterator[Path]:
    """A name beside with the same ending; the file there takes the place of `path` when the block ends well."""
    unchecked = path.with_name(f"unchecked.{path.name}")
    try:
        yield unchecked
        os.replace(unchecked, path)
    except BaseException as error:
        with suppress(OSError):
            unchecked.unlink()
        refused = error.__cause__ if isinstance(error, RunError) else error
        if isinstance(refused, OSError):
            raise unwritable(path, refused) from refused
        raise


def _check(known: SplatFormat, path: Path, written: Gaussians, read: Gaussians, agreement: Agreement) -> None:
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    bits = all(torch.equal(getattr(read, name), getattr(written, name).cpu()) for name in names)
    if known.name == "3DGS PLY" and not bits:
        raise RunError(f"{path} does not read back as it was written.", advice="Check the disk and export again.")
    if known.lossless and not agreement.loss <= _MOST_LOSS:
        raise RunError(
            f"{path} would show the scene {agreement.loss:.1f} dB worse than the model does, so it was not kept.",
            advice="Numbers too large for the format do this: export without --frame, or in COLMAP's own frame.",
        )
