"""Real scenes from photos to a score on views never trained on: what `recon train` makes of them, everything included.

    RECON_DATA=... python benchmarks/scenes.py [fox fern castle studio object fox-nerf object-nerf] [--budget 180s]

fox, fern and castle start from bare photos; studio and object bring exact poses with them. The radiance
field trains from given poses: the figures to reach are those after `--budget 300s`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from recon.datasets import data_root


@dataclass(frozen=True)
class Case:
    """One scene and the options it is trained with."""

    images: str
    options: tuple[str, ...] = ()
    model: str = "gaussians"


CASES = {
    "fox": Case("fox/images", ("--image-size", "480")),
    "fern": Case("llff_fern/images"),
    "castle": Case("sceaux_castle/images"),
    "studio": Case("studio"),
    "object": Case("object"),
    "fox-nerf": Case("fox", ("--image-size", "480"), "nerf"),
    "object-nerf": Case("object", (), "nerf"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("scenes", nargs="*", choices=[*CASES, []])  # [] is what argparse asks for where none is named
    parser.add_argument("--budget", default="180s")
    parser.add_argument("--keep", type=Path, help="keep the run folders here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        runs = options.keep or Path(scratch)
        print("| scene | photos | registered | PSNR | SSIM | size | steps | poses s | training s | whole s |")
        print("|---|---|---|---|---|---|---|---|---|---|")
        for name in options.scenes or CASES:
            print(row(name, run(name, runs / name, options.budget)), flush=True)


def run(name: str, output: Path, budget: str) -> dict:
    """The summary of one training, with the wall time of the whole command added."""
    case = CASES[name]
    shutil.rmtree(output, ignore_errors=True)
    command = [sys.executable, "-m", "recon.cli.main", "train", "--images", str(data_root() / case.images)]
    command += [
        "--output",
        str(output),
        "--budget",
        budget,
        "--no-viewer",
        "--json",
        "--quiet",
        *case.options,
        case.model,
    ]
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) | {"wall": time.perf_counter() - started}


def row(name: str, result: dict) -> str:
    """A line of the table."""
    seconds = {stage["name"]: stage["seconds"] for stage in result["stages"]}
    return (
        f"| {name} | {result['photos']} | {result['registered']} | {result['psnr']:.2f} | {result['ssim']:.3f} "
        f"| {result.get('gaussians', result.get('rays'))} | {result['steps']} | {seconds.get('poses', 0):.0f} "
        f"| {seconds.get('train', 0):.0f} | {result['wall']:.0f} |"
    )


if __name__ == "__main__":
    main()
