"""`python -m recon.priors.depth.monocular.recipe`: render scenes, train the depth network on them, pack, judge."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch

from recon.datasets import data_root
from recon.errors import InputError, ReconError
from recon.io.disk import write_whole
from recon.io.tensors import tensors_to_bytes
from recon.priors.depth.monocular.network import DepthNetwork
from recon.priors.depth.monocular.prior import SCORE_CARD, WEIGHTS, load_depth_network
from recon.priors.depth.monocular.recipe.judged import captured, rendered, seen_by_stereo
from recon.priors.depth.monocular.recipe.scenes import render_split
from recon.priors.depth.monocular.recipe.scoring import score
from recon.priors.depth.monocular.recipe.training import train

_WORLDS = {"test": 24, "validation": 21, "train": 1500}
"""Worlds of each split, of up to six photographs each."""


def main() -> int:
    options = _options()
    try:
        if options.what in ("render", "all"):
            _render(options.folder, options.worlds)
        if options.what in ("train", "all"):
            begin = load_depth_network(options.begin) if options.begin is not None else None
            train(options.folder / "scenes", options.folder / "checkpoint.pt", minutes=options.minutes, begin=begin)
        if options.what in ("pack", "all"):
            _pack(options.folder / "checkpoint.pt", options.to)
        if options.what in ("score", "all"):
            _score(options.folder / "scenes", options.to)
    except ReconError as error:
        print(f"{error.message}\n{error.advice}", file=sys.stderr)
        return 2
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m recon.priors.depth.monocular.recipe", description=__doc__)
    parser.add_argument("what", choices=("render", "train", "pack", "score", "all"), help="one step, or all of them")
    parser.add_argument("--folder", type=Path, required=True, help="where scenes and the checkpoint lie; 1.5 GB")
    parser.add_argument("--worlds", type=int, default=_WORLDS["train"], help="to train on (default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=120, help="of training altogether (default: %(default)s)")
    parser.add_argument("--begin", type=Path, help="weights to begin with (default: random ones)")
    parser.add_argument("--to", type=Path, default=WEIGHTS, help="weights to write (default: those of recon itself)")
    return parser.parse_args()


def _render(folder: Path, worlds: int) -> None:
    for split, count in (_WORLDS | {"train": worlds}).items():
        for number, path in enumerate(render_split(folder / "scenes", split, count)):
            if number % 50 == 0:
                print(f"{split} {number} of {count}: {path}", flush=True)


def _pack(checkpoint: Path, to: Path) -> None:
    """The averaged weights in half precision."""
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint} is not there.", advice="Train first.")
    kept = torch.load(checkpoint, weights_only=True)
    write_whole(to, tensors_to_bytes({name: value.half() for name, value in kept["averaged"].items()}))
    print(f"{to}: {to.stat().st_size / 1e6:.1f} MB after {kept['step']} steps")


def _score(scenes: Path, weights: Path) -> None:
    """Write the score card beside the weights. Captures with exact depth are judged where RECON_DATA has them."""
    net = load_depth_network(weights)
    card: dict[str, object] = {
        "parameters": sum(value.numel() for value in DepthNetwork().parameters()),
        "held_out_worlds": score(rendered(scenes, "test", _WORLDS["test"]), net),
        "new_worlds_of_the_trained_kind": score(rendered(scenes, "validation", _WORLDS["validation"]), net),
    }
    try:
        card |= {name: score(captured(data_root() / name), net) for name in ("studio", "object")}
        card["fox_against_stereo"] = score(seen_by_stereo(data_root() / "fox"), net)
    except InputError as error:
        print(f"{error.message} The captures are not judged.")
    write_whole(weights.with_name(SCORE_CARD.name), json.dumps(card, indent=1).encode() + b"\n")
    print(json.dumps(card, indent=1))


if __name__ == "__main__":
    sys.exit(main())
