"""A radiance field's training step on this machine, beside the same network in plain torch.

    python benchmarks/radiance.py [--samples 32768] [--threads 2]

Hash grid of 16 levels, density network 32-64-16, colour network 32-64-64-3, forward and backward with all gradients but
those of positions. Everything runs in this one process, in turns. Prints a table and writes bench_radiance.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor
from torch_field import torch_field

from recon.ops.directions import encode_directions
from recon.ops.hash_grid import HashGrid, hash_encode
from recon.ops.mlp import Precision, bf16_runs_natively, initial_weights, mlp
from recon.ops.native import native
from recon.ops.radiance_field import radiance_field
from recon.ops.sparse_adam import sparse_adam_step

SAMPLES_PER_RAY = 32


class Problem:
    """Samples along short stretches of rays, as an occupancy grid leaves them, and everything that is learned."""

    def __init__(self, samples: int) -> None:
        generator = torch.Generator().manual_seed(0)
        rays = samples // SAMPLES_PER_RAY
        self.grid = HashGrid()
        origins = torch.rand(rays, 1, 3, generator=generator)
        directions = torch.nn.functional.normalize(torch.randn(rays, 3, generator=generator), dim=1)
        along = torch.arange(SAMPLES_PER_RAY)[None, :, None] * 1.7e-3  # 1024 steps through the cube
        self.positions = (origins + directions[:, None] * along).reshape(-1, 3).clamp(0, 1)
        self.rays = torch.arange(rays, dtype=torch.int32).repeat_interleave(SAMPLES_PER_RAY)
        self.known = encode_directions(directions)
        self.tables = self.grid.tables(generator).requires_grad_()
        sizes = [b - a for a, b in itertools.pairwise(self.grid.offsets)]
        self.levels = [part.clone().requires_grad_() for part in self.tables.detach().split(sizes)]
        self.density = [w.requires_grad_() for w in initial_weights((32, 64, 16), generator)]
        self.colour = [w.requires_grad_() for w in initial_weights((32, 64, 64, 3), generator)]
        self.cotangents = [torch.randn(len(self.rays), generator=generator)]
        self.cotangents.append(torch.randn(len(self.rays), 3, generator=generator))
        self.table_grad = torch.zeros(self.grid.entries, 2)

    def ours(self, precision: Precision) -> None:
        """The step as the trainer takes it: the tables' gradient goes into a buffer that stays."""
        out = radiance_field(
            *(self.positions, self.tables, self.known, self.rays, self.density, self.colour),
            **{"grid": self.grid, "table_grad": self.table_grad, "precision": precision},
        )
        self.backward(list(out))

    def torchs(self, dtype: torch.dtype) -> None:
        with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
            known = self.known[self.rays.long()]
            out = torch_field(self.positions, self.levels, known, self.density, self.colour, self.grid)
        self.backward([value.float() for value in out])

    def backward(self, out: list[Tensor]) -> None:
        for leaf in (self.tables, *self.levels, *self.density, *self.colour):
            leaf.grad = None
        torch.autograd.backward(out, self.cotangents)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--samples", type=int, default=32768)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    problem = Problem(options.samples)
    results = {"isa": native().cpu_isa(), "bf16 on tiles": bf16_runs_natively(), "torch": torch.__version__}
    results |= vars(options) | {"step": beside_torch(problem, options.rounds), "parts": parts(problem)}
    for name, value in results.items():
        print(f"{name}: {value}" if not isinstance(value, dict) else f"\n{name}")
        for part, number in value.items() if isinstance(value, dict) else ():
            print(f"  {part:32} {number:.3f}")
    Path("bench_radiance.json").write_text(json.dumps(results, indent=2) + "\n")


def beside_torch(problem: Problem, rounds: int) -> dict[str, float]:
    """Nanoseconds a sample, forward and backward, in turns: the fastest of three, medians over the rounds."""
    steps: dict[str, Callable[[], None]] = {
        "torch fp32": lambda: problem.torchs(torch.float32),
        "ours fp32": lambda: problem.ours("fp32"),
        "torch bf16": lambda: problem.torchs(torch.bfloat16),
        "ours bf16": lambda: problem.ours("bf16"),
    }
    for step in steps.values():
        step()
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            times[name].append(_seconds(step, 3) / len(problem.rays) * 1e9)
    numbers = {f"{name} ns": statistics.median(values) for name, values in times.items()}
    for kind in ("fp32", "bf16"):
        ratios = [t / o for t, o in zip(times[f"torch {kind}"], times[f"ours {kind}"], strict=True)]
        numbers[f"{kind}: torch / ours"] = statistics.median(ratios)
    return numbers


def parts(problem: Problem) -> dict[str, float]:
    """Nanoseconds a sample of each part of our step: the best of five."""
    p, count = problem, len(problem.rays)
    moments = torch.zeros_like(p.table_grad), torch.zeros_like(p.table_grad)
    grads = torch.randn(p.grid.features, count).T
    inputs = torch.randn(32, count).T

    def encode() -> None:
        hash_encode(p.positions, p.tables.detach(), grid=p.grid)

    def encode_both_ways() -> None:
        hash_encode(p.positions, p.tables, grid=p.grid, table_grad=p.table_grad).backward(grads)

    def network_both_ways(precision: Precision) -> None:
        mlp(inputs, p.colour, precision=precision).backward(p.cotangents[1])

    def update() -> None:
        p.table_grad.fill_(1)
        sparse_adam_step(p.tables, p.table_grad, *moments, learning_rate=1e-9, step=1)

    return {
        "hash encoding, there": _seconds(encode, 5) / count * 1e9,
        "hash encoding, there and back": _seconds(encode_both_ways, 5) / count * 1e9,
        "colour network fp32": _seconds(lambda: network_both_ways("fp32"), 5) / count * 1e9,
        "colour network bf16": _seconds(lambda: network_both_ways("bf16"), 5) / count * 1e9,
        "Adam, all entries, ms": _seconds(update, 5) * 1e3,
    }


def _seconds(what: Callable[[], None], times: int) -> float:
    """The fastest of some runs."""
    fastest = float("inf")
    for _ in range(times):
        started = time.perf_counter()
        what()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest


if __name__ == "__main__":
    main()
