"""The kernels on this machine: stage by stage, the whole training step, and beside a per-tile torch rasteriser.

    python benchmarks/kernels.py [--gaussians 50000] [--size 480 270] [--no-torch]

Everything runs in this one process, interleaved where two things are compared. Prints a table and writes bench.json.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import torch
from scene import made_up_scene
from torch_tiles import Projected, project, rasterize, tiles_of

from recon.ops.adam import Moments
from recon.ops.blocks import morton_order, pack
from recon.ops.native import native
from recon.ops.photometric import photometric_with_gradient
from recon.ops.splat import Frame, splat_backward_adam, splat_forward
from recon.types import Cameras, Gaussians


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--gaussians", type=int, default=50_000)
    parser.add_argument("--size", type=int, nargs=2, default=(480, 270), metavar=("WIDTH", "HEIGHT"))
    parser.add_argument("--no-torch", action="store_true", help="leave out the slow torch rasteriser")
    options = parser.parse_args()
    width, height = options.size
    scene, camera = made_up_scene(options.gaussians, width, height)
    scene = in_z_order(scene)
    results = {"machine": _machine(), "gaussians": options.gaussians, "size": [width, height]}
    results["step"] = step_times(scene, camera)
    if not options.no_torch:
        results["beside_torch"] = beside_torch(scene, camera)
    _show(results)
    Path("bench.json").write_text(json.dumps(results, indent=2) + "\n")


def in_z_order(scene: Gaussians) -> Gaussians:
    """As the trainer keeps them: neighbours in space are neighbours in memory."""
    order = morton_order(scene.means)
    return Gaussians(
        scene.means[order],
        scene.quats[order],
        scene.log_scales[order],
        scene.opacity_logits[order],
        scene.sh[order],
    )


def step_times(scene: Gaussians, camera: Cameras, repeats: int = 40) -> dict[str, float]:
    """Milliseconds of each part of a fused training step with all bands of colour: median over `repeats`."""
    blocks = pack(scene)
    moments = Moments.zeros_like(blocks)
    rates = torch.full((blocks.shape[1],), 1e-9)
    target = torch.randint(0, 256, (3, int(camera.height), int(camera.width)), dtype=torch.uint8)
    parts: dict[str, list[float]] = {"forward": [], "loss": [], "backward and Adam": [], "step": []}
    frame: Frame | None = None
    for repeat in range(repeats + 5):
        started = time.perf_counter()
        frame = splat_forward(blocks, camera, sh_degree=scene.sh_degree, reuse=frame)
        rendered = time.perf_counter()
        loss = photometric_with_gradient(frame.rgb, frame.alpha, target, ssim_weight=0.2)
        compared = time.perf_counter()
        splat_backward_adam(
            frame, blocks, moments, grad_rgb=loss.rgb, grad_alpha=loss.alpha, learning_rates=rates, step=repeat + 1
        )
        ended = time.perf_counter()
        if repeat >= 5:
            for name, seconds in zip(
                parts, (rendered - started, compared - rendered, ended - compared, ended - started), strict=True
            ):
                parts[name].append(1e3 * seconds)
    assert frame is not None
    times = {f"{name} ms": statistics.median(values) for name, values in parts.items()}
    fastest = min(parts["step"])
    return times | {
        "step ms, fastest": fastest,
        "steps per second": 1e3 / times["step ms"],
        "seen": frame.seen_count,
        "pairs": frame.pair_count,
    }


def beside_torch(scene: Gaussians, camera: Cameras, rounds: int = 2) -> dict[str, float]:
    """Seconds of rasterising forward and backward: ours with sorting and binning, torch's without; in turns."""
    width, height = int(camera.width), int(camera.height)
    flat = project(scene, camera)
    tiles = tiles_of(flat, width, height)
    cotangent = torch.randn(height, width, 3)

    def torch_round() -> None:
        leaves = Projected(**{k: v.detach().clone().requires_grad_() for k, v in vars(flat).items()})
        (rasterize(leaves, tiles, width, height) * cotangent).sum().backward()

    blocks = pack(scene)
    grads, grad_camera = torch.empty_like(blocks), torch.zeros(4, 4)
    planar, no_alpha = cotangent.permute(2, 0, 1).contiguous(), torch.zeros(height, width)
    frame: Frame | None = None

    def our_round() -> None:
        nonlocal frame
        frame = splat_forward(blocks, camera, sh_degree=0, reuse=frame)
        frame.scratch.backward(planar, no_alpha, None, grads, grad_camera)

    our_round()
    ours, theirs = [], []
    for _ in range(rounds):
        ours.append(min(_seconds(our_round) for _ in range(10)))
        theirs.append(_seconds(torch_round))
    return {
        "ours s": statistics.median(ours),
        "torch s": statistics.median(theirs),
        "ratio": statistics.median(t / o for o, t in zip(ours, theirs, strict=True)),
    }


def _seconds(what: Callable[[], None]) -> float:
    started = time.perf_counter()
    what()
    return time.perf_counter() - started


def _machine() -> dict[str, object]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "processor": platform.processor() or platform.machine(),
        "isa": native().cpu_isa(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "commit": commit.stdout.strip(),
    }


def _show(results: dict) -> None:
    for section, values in results.items():
        if not isinstance(values, dict):
            print(f"{section}: {values}")
            continue
        print(f"\n{section}")
        for name, value in values.items():
            print(f"  {name:24} {value:.3f}" if isinstance(value, float) else f"  {name:24} {value}")


if __name__ == "__main__":
    main()
