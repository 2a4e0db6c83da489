"""Others on the same inputs, in turns with ours: gsplat on a GPU, a per-tile torch rasteriser anywhere."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor

from recon.bench.gaussian_stages import GaussianStep
from recon.bench.gsplat_step import GsplatStep
from recon.bench.inputs import Input
from recon.bench.results import RatioRow, Timing
from recon.bench.timing import samples_in_turns
from recon.bench.torch_tiles import PUBLISHED_TILE, Projected, as_published, project, rasterize, tiles_of
from recon.ops.blocks import pack
from recon.ops.splat import splat

__all__ = ["beside_gsplat", "beside_torch"]

_PARTS = ("forward", "loss", "backward", "step")


def beside_gsplat(view: Input, device: torch.device) -> list[RatioRow]:
    """gsplat packed and not, each with the faster of its optimisers; both sides take the same loss and its gradient.

    "backward" is up to the parameters' gradients and through Adam, for ours are one kernel. The images must agree.
    """
    absent = _why_no_gsplat(device)
    if absent is not None:
        return [RatioRow("gsplat", "step", view.name, None, note=f"not available: {absent}")]
    rows: list[RatioRow] = []
    for packed in (True, False):
        ours, theirs = GaussianStep(view, device), GsplatStep(view, device, packed=packed)
        ours.forward()
        theirs.forward()
        noise = _psnr(ours, theirs)
        parts: dict[str, Callable[[], object]] = {
            "ours forward": ours.forward,
            "theirs forward": theirs.forward,
            "ours loss": ours.compare,
            "theirs loss": theirs.compare,
            "ours backward": ours.backward,
            "theirs backward": theirs.backward,
            "theirs Adam": theirs.adam,
            "theirs selective Adam": theirs.selective_adam,
        }
        samples = samples_in_turns(parts, device)
        faster = min(("theirs Adam", "theirs selective Adam"), key=lambda name: statistics.median(samples[name]))
        samples["theirs backward"] = _added(samples["theirs backward"], samples[faster])
        for side in ("ours", "theirs"):
            samples[f"{side} step"] = _added(*(samples[f"{side} {part}"] for part in _PARTS[:3]))
        name = f"gsplat {theirs.version}, {'packed' if packed else 'not packed'}"
        note = f"images agree to {noise:.1f} dB; optimiser: {faster.removeprefix('theirs ')}"
        rows += [_ratio(name, part, view, samples[f"ours {part}"], samples[f"theirs {part}"], note) for part in _PARTS]
    return rows


def beside_torch(view: Input, device: torch.device, *, rounds: int = 3) -> list[RatioRow]:
    """Rasterising there and back, colours of degree 0: ours, sorting and binning too, beside torch in two shapes."""
    camera = view.cameras[0]
    width, height = int(camera.width), int(camera.height)
    flat = project(view.gaussians, camera)
    tiles = [(x, y, index.to(device)) for x, y, index in tiles_of(flat, width, height)]
    tight = Projected(**{name: value.to(device).requires_grad_() for name, value in vars(flat).items()})
    parameters = {name: value for name, value in vars(view.gaussians).items() if isinstance(value, Tensor)}
    parameters = {name: value.to(device).requires_grad_() for name, value in parameters.items()}
    loose = replace(view.gaussians, **parameters)
    blocks = pack(view.gaussians).to(device).requires_grad_()
    cotangent = torch.randn(height, width, 3, generator=torch.Generator().manual_seed(0)).to(device)

    def back(image: Float[Tensor, "h w 3"], leaves: Sequence[Tensor]) -> object:
        return torch.autograd.grad((image * cotangent).sum(), leaves)

    parts = {
        "ours": lambda: back(splat(blocks, camera, sh_degree=0).rgb, [blocks]),
        "published": lambda: back(as_published(loose, camera), list(parameters.values())),
        "tight": lambda: back(rasterize(tight, tiles, width, height), [tight.centre, tight.conic, tight.rgb]),
    }
    samples = samples_in_turns(parts, device, repeats=rounds, warm_ups=1)
    notes = {
        "published": f"tiles of {PUBLISHED_TILE} pixels, squares of three sigma, all of it timed",
        "tight": "tiles of 16 pixels, exact boxes, projection and tile lists given to it",
    }
    return [
        _ratio(f"torch tile by tile, {name}", "forward and backward", view, samples["ours"], samples[name], note)
        for name, note in notes.items()
    ]


def _why_no_gsplat(device: torch.device) -> str | None:
    if device.type != "cuda":
        return "no GPU"
    try:
        import gsplat  # noqa: F401
    except ImportError as error:
        return f"gsplat is not installed ({error})"
    return None


def _psnr(ours: GaussianStep, theirs: GsplatStep) -> float:
    assert ours.frame is not None
    difference = (ours.frame.rgb - theirs.planar_image()).square().mean()
    return float(-10 * torch.log10(difference.clamp(min=1e-12)))


def _added(*lists: Sequence[float]) -> list[float]:
    return [sum(times) for times in zip(*lists, strict=True)]


def _ratio(peer: str, part: str, view: Input, ours: Sequence[float], theirs: Sequence[float], note: str) -> RatioRow:
    """The median over rounds of the ratio within a round: what changes the machine's speed changes both."""
    ratio = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    return RatioRow(peer, part, view.name, ratio, Timing.of(ours), Timing.of(theirs), note)
