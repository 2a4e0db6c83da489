"""The stages of training and showing Gaussians, as the trainer calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import torch
from torch import Tensor

from recon.bench.inputs import Input
from recon.bench.stages import Stage, Work
from recon.bench.torch_tiles import evaluations_needed
from recon.ops.adam import Moments, adam_step
from recon.ops.blocks import morton_order, pack
from recon.ops.mcmc import add_noise, relocate
from recon.ops.photometric import PhotometricGradient, photometric_with_gradient
from recon.ops.splat import Frame, splat_backward_adam, splat_forward

__all__ = ["SUMS", "GaussianStep", "gaussian_stages", "render_stage"]

SUMS = {"step": ("forward", "loss", "backward and Adam")}
"""A step is its three parts."""

_FORWARD_FLOPS, _BACKWARD_FLOPS = 31, 60
"""Of one evaluation: the quadratic form, exp, blending; and the way back, which evaluates again."""
_LOSS_FLOPS = 3 * 2 * 11 * 2 * (5 + 3)
"""Of a pixel: 3 channels, rows and columns of the 11 taps, 5 maps there and 3 back."""
_LOSS_BYTES = 3 * 4 + 4 + 3 + 3 * 4 + 4
"""Of a pixel: colour, alpha, the photo's bytes, and the gradients of the first two."""
_GEOMETRY = 11
"""Planes that every Gaussian must be looked at for; colours are wanted of those seen only."""


class GaussianStep:
    """Everything that one step of training holds, on a device; the parameters hardly move."""

    def __init__(self, view: Input, device: torch.device) -> None:
        self.view, self.device = view, device
        self.camera = view.cameras[0]
        self.degree = view.gaussians.sh_degree
        self.blocks = pack(view.gaussians).to(device)
        self.moments = Moments.zeros_like(self.blocks, coded=device.type == "cuda")  # as the trainer keeps them
        self.rates = torch.full((self.blocks.shape[1],), 1e-9)
        self.target = _photo(int(self.camera.height), int(self.camera.width)).to(device)
        self.frame: Frame | None = None
        self.parts: dict[str, dict[str, list[float]]] = {"forward": {}, "backward": {}}
        self.loss: PhotometricGradient | None = None
        self.steps = 0

    def forward(self) -> Frame:
        self.frame = splat_forward(
            self.blocks,
            self.camera,
            sh_degree=self.degree,
            antialiased=self.view.gaussians.antialiased,
            reuse=self.frame,
            wait=False,
        )
        self._note_parts("forward", ("projection", "sort", "binning", "blending"))
        return self.frame

    def compare(self) -> None:
        assert self.frame is not None
        self.loss = photometric_with_gradient(self.frame.rgb, self.frame.alpha, self.target, ssim_weight=0.2)

    def backward(self) -> None:
        assert self.frame is not None
        assert self.loss is not None
        self.steps += 1
        splat_backward_adam(
            self.frame,
            self.blocks,
            self.moments,
            grad_rgb=self.loss.rgb,
            grad_alpha=self.loss.alpha,
            learning_rates=self.rates,
            step=self.steps,
        )
        self._note_parts("backward", ("blending back", "projection back and Adam"))

    def _note_parts(self, way: str, names: tuple[str, ...]) -> None:
        """What the CPU's kernels took for each of their passes; the GPU's do not tell."""
        taken = getattr(getattr(self.frame, "scratch", None), "seconds", {})
        for name in names:
            if name in taken:
                self.parts[way].setdefault(name, []).append(1e3 * taken[name])

    @property
    def seen(self) -> int:
        return 0 if self.frame is None else int(self.frame.seen_count)

    @cached_property
    def evaluations(self) -> float:
        """Of one image; estimated on the CPU."""
        return evaluations_needed(self.view.gaussians, self.camera)

    def counts(self) -> Mapping[str, int | float]:
        if self.frame is None:
            return {}
        state = sum(tensor.nbytes for tensor in (self.blocks, self.moments.first, self.moments.second))
        return {
            "gaussians": len(self.view.gaussians),
            "seen": self.seen,
            "pairs": int(self.frame.pair_count),
            "evaluations": self.evaluations,
            "state bytes a Gaussian": state / max(len(self.view.gaussians), 1),
        }

    def forward_work(self) -> Work:
        planes = self.blocks.shape[1]
        read = 4 * (_GEOMETRY * len(self.view.gaussians) + (planes - _GEOMETRY) * self.seen)
        return Work(read + 16 * self.view.pixels, _FORWARD_FLOPS * self.evaluations)

    def backward_work(self) -> Work:
        moved = 6 * 4 * self.blocks.shape[1] * self.seen  # parameters and two moments, read and written
        return Work(moved + 16 * self.view.pixels, _BACKWARD_FLOPS * self.evaluations)

    def loss_work(self) -> Work:
        return Work(_LOSS_BYTES * self.view.pixels, _LOSS_FLOPS * self.view.pixels)


def gaussian_stages(view: Input, device: torch.device) -> list[Stage]:
    """The parts of a step, and what happens beside it every so often."""
    step = GaussianStep(view, device)
    return [
        Stage("forward", step.forward, step.forward_work, step.counts, parts=lambda: step.parts["forward"]),
        Stage("loss", step.compare, step.loss_work, needs=("forward",)),
        Stage(
            "backward and Adam",
            step.backward,
            step.backward_work,
            needs=("forward", "loss"),
            parts=lambda: step.parts["backward"],
        ),
        *_beside_the_step(view, step.blocks),
    ]


def render_stage(view: Input, device: torch.device) -> Stage:
    """Frames of all cameras in turn: what somebody who looks at a model waits for. A run is one frame."""
    blocks, degree = pack(view.gaussians).to(device), view.gaussians.sh_degree
    frames: dict[int, Frame] = {}
    drawn = [0]

    def render() -> Frame:
        which = drawn[0] % len(view.cameras)
        drawn[0] += 1
        frames[which] = splat_forward(
            blocks,
            view.cameras[which],
            sh_degree=degree,
            antialiased=view.gaussians.antialiased,
            reuse=frames.get(which),
            way_back=False,
        )
        return frames[which]

    def counts() -> Mapping[str, int | float]:
        pairs = sum(int(frame.pair_count) for frame in frames.values()) / len(frames)
        return {"gaussians": len(view.gaussians), "pairs": pairs}

    return Stage("render", render, counts=counts)


def _beside_the_step(view: Input, blocks: Tensor) -> Sequence[Stage]:
    """On copies, so that they leave the step's Gaussians where they are."""
    g, device = len(view.gaussians), blocks.device
    moved, moments = blocks.clone(), Moments.zeros_like(blocks)
    grads = 1e-6 * torch.ones_like(blocks)
    rates = torch.full((blocks.shape[1],), 1e-9)
    means = view.gaussians.means.to(device)
    few = max(g // 20, 1)
    opacities = torch.full((few,), 0.5, device=device)
    scales, copies = torch.ones(few, 3, device=device), torch.full((few,), 2, device=device)
    adam = Work(7 * blocks.nbytes)
    return [
        Stage("Adam alone", lambda: adam_step(moved, grads, moments, learning_rates=rates, step=1), lambda: adam),
        Stage("noise", lambda: add_noise(moved, scale=1e-9, seed=0, step=1), lambda: Work(4 * (_GEOMETRY + 3) * g)),
        Stage("relocation", lambda: relocate(opacities, scales, copies), counts=lambda: {"moved": few}),
        Stage("Morton order", lambda: morton_order(means), lambda: Work((12 + 8) * g)),
    ]


def _photo(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
