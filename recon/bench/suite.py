"""The whole benchmark: what is measured with which options, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch

from recon.bench.check_fields import field_checks
from recon.bench.check_gaussians import gaussian_checks
from recon.bench.checks import check_rows
from recon.bench.field_stages import field_input_name, field_stages
from recon.bench.frozen import DEMO, frozen
from recon.bench.gaussian_stages import SUMS, gaussian_stages, render_stage
from recon.bench.inputs import AWKWARD, Input, Regime, awkward, made_up
from recon.bench.machine import choose_device, describe_machine, measure_ceilings
from recon.bench.options import BenchOptions, sizes_of
from recon.bench.peers import beside_gsplat, beside_torch
from recon.bench.results import BenchReport, Ceilings, RatioRow, StageRow, TrainingRow
from recon.bench.stages import stage_rows
from recon.bench.training import posed_scene, train_for
from recon.ops.hash_grid import HashGrid

__all__ = ["Progress", "run_bench"]

Progress = Callable[[str], None]
"""Told what is measured next."""

Rung = tuple[int, tuple[int, int], Regime]
"""A made-up scene: how many Gaussians, the size of the image, when in training."""

_SMALL, _MIDDLE, _LARGE = (480, 270), (960, 540), (1920, 1080)
_QUICK: tuple[Rung, ...] = ((50_000, _SMALL, "trained"),)
_ANYWHERE: tuple[Rung, ...] = (
    (50_000, _SMALL, "small"),
    (50_000, _SMALL, "early"),
    (5_000, _SMALL, "early"),
    (100_000, _MIDDLE, "trained"),
    (1_000_000, _LARGE, "trained"),
)
_ON_A_GPU: tuple[Rung, ...] = (
    (1_000_000, _LARGE, "small"),
    (1_000_000, _LARGE, "early"),
    (3_000_000, _LARGE, "trained"),
    (5_000_000, _LARGE, "trained"),
)


def run_bench(options: BenchOptions, progress: Progress = lambda what: None) -> BenchReport:
    """Check, then time, what the options name."""
    device = choose_device(options.device)
    progress("checks")
    checks = tuple(check_rows([*gaussian_checks(), *field_checks()], device)) if _with_checks(options) else ()
    if options.checks:
        return BenchReport(describe_machine(device), None, checks, (), ())
    progress("ceilings")
    timed = _Timed(options, device, measure_ceilings(device, quick=options.quick), progress)
    stages, ratios = tuple(timed.stages()), tuple(timed.ratios())
    return BenchReport(describe_machine(device), timed.ceilings, checks, stages, ratios, tuple(timed.trainings()))


def _with_checks(options: BenchOptions) -> bool:
    return options.checks or (len(options.only) == 0 and not options.names_inputs)


@dataclass(frozen=True)
class _Timed:
    options: BenchOptions
    device: torch.device
    ceilings: Ceilings
    progress: Progress

    def stages(self) -> Iterator[StageRow]:
        named, quick = self.options.names_inputs, self.options.quick
        for view in self._made_up():
            yield from self._step(view)
        if not named and not quick:
            for kind in AWKWARD:
                yield from self._step(awkward(kind, 10_000, *_SMALL))
        if not named:
            yield from self._field()
        for path in self.options.model or ((DEMO,) if DEMO.is_dir() and not named and not quick else ()):
            yield from self._frozen(frozen(path))

    def ratios(self) -> Iterator[RatioRow]:
        if len(self.options.only) > 0:
            return
        for view in self._made_up():
            self.progress(f"gsplat, {view.name}")
            yield from beside_gsplat(view, self.device)
            if self.device.type != "cuda":  # once is enough to say so
                break
        if self.options.torch_tiles:
            self.progress("torch, tile by tile")
            yield from beside_torch(made_up("trained", 50_000, *_SMALL), self.device)

    def trainings(self) -> Iterator[TrainingRow]:
        if self.options.scene is None:
            return
        self.progress(f"training, {self.options.scene.name}")
        scene = posed_scene(self.options.scene, self.options.image_size)
        yield train_for(scene, self.device, name=self.options.scene.name, budget=self.options.seconds)

    def _made_up(self) -> Iterator[Input]:
        for count, size, regime in self._ladder():
            yield made_up(regime, count, *size)

    def _ladder(self) -> list[Rung]:
        """Made-up scenes by options, or those that the device is for."""
        options = self.options
        if options.names_scenes:
            counts, sizes = options.gaussians or (50_000,), sizes_of(options.size) or [_SMALL]
            return [
                (count, size, regime) for count in counts for size in sizes for regime in options.regime or ("trained",)
            ]
        if options.names_inputs:
            return []
        if options.quick:
            return list(_QUICK)
        return [*_QUICK, *_ANYWHERE, *(_ON_A_GPU if self.device.type == "cuda" else ())]

    def _step(self, view: Input) -> list[StageRow]:
        self.progress(view.name)
        return stage_rows(
            gaussian_stages(view, self.device),
            input_name=view.name,
            device=self.device,
            ceilings=self.ceilings,
            sums=SUMS,
            only=self.options.only,
        )

    def _field(self) -> list[StageRow]:
        """The tables of instant-ngp; small ones where it must be quick, which then fit into caches."""
        samples = 1 << (12 if self.options.quick else 18 if self.device.type == "cuda" else 16)
        grid = HashGrid(log2_entries=12) if self.options.quick else HashGrid()
        name = field_input_name(samples, grid)
        self.progress(name)
        return stage_rows(
            field_stages(samples, grid, self.device),
            input_name=name,
            device=self.device,
            ceilings=self.ceilings,
            only=self.options.only,
        )

    def _frozen(self, view: Input) -> list[StageRow]:
        self.progress(view.name)
        stage = render_stage(view, self.device)
        return [
            *stage_rows(
                [stage], input_name=view.name, device=self.device, ceilings=self.ceilings, only=self.options.only
            ),
            *self._step(view),
        ]
