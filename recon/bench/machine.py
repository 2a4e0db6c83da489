"""What the figures were measured on, and what it can do at most."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

import torch

from recon import __version__
from recon.bench.results import Ceilings, Timing
from recon.bench.timing import samples_in_turns
from recon.errors import InputError
from recon.ops.native import native

__all__ = ["choose_device", "describe_machine", "measure_ceilings"]


def choose_device(named: str) -> torch.device:
    """`auto` is the GPU where there is one."""
    if named not in ("auto", "cpu", "cuda"):
        raise InputError(f"There is no device {named!r}.", advice="Pass --device cpu, cuda or auto.")
    if named == "cuda" and not torch.cuda.is_available():
        _, reason = native().cuda_info()
        raise InputError(f"There is no GPU to measure: {reason or 'torch sees none'}.", advice="Pass --device cpu.")
    return torch.device("cuda" if named != "cpu" and torch.cuda.is_available() else "cpu")


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Hardware, versions and settings that a figure depends on."""
    described: dict[str, Any] = {
        "device": device.type,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1),
        "isa": native().cpu_isa(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "recon": __version__,
        "commit": _commit(),
    }
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        described["gpu"] = properties.name
        described["gpu_memory_gb"] = round(properties.total_memory / 1e9, 1)
        described["multiprocessors"] = properties.multi_processor_count
        described["compute_capability"] = f"{properties.major}.{properties.minor}"
        described["cuda"] = torch.version.cuda
    return described


def measure_ceilings(device: torch.device, *, quick: bool = False) -> Ceilings:
    """The bandwidth of a large copy and the rate of a large float32 matrix product, medians."""
    floats = (1 << 24 if quick else 1 << 26) * (8 if device.type == "cuda" else 1)
    source, target = torch.ones(floats, device=device), torch.empty(floats, device=device)
    side = (1024 if quick else 2048) * (4 if device.type == "cuda" else 1)
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.rand(side, side, generator=generator).to(device) for _ in range(2))
    product = torch.empty_like(left)
    parts = {"copy": lambda: target.copy_(source), "product": lambda: torch.mm(left, right, out=product)}
    samples = samples_in_turns(parts, device, repeats=10, warm_ups=2)
    return Ceilings(
        copy_gigabytes=2 * 4 * floats / Timing.of(samples["copy"]).median / 1e6,
        fma_gigaflops=2 * side**3 / Timing.of(samples["product"]).median / 1e6,
    )


def _processor() -> str:
    """The name Linux knows; elsewhere what Python knows."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _commit() -> str | None:
    """Of the clone that this package lies in; None outside of one."""
    if shutil.which("git") is None:
        return None
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None
