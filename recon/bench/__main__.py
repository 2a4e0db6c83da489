"""`python -m recon.bench`: `recon bench` for a machine that has torch and numpy and nothing else."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from recon.bench import BenchOptions, run_bench, to_markdown
from recon.bench.inputs import REGIMES
from recon.errors import ReconError


def main() -> int:
    """0: all is right; 1: an operator is wrong; 2: something you can mend."""
    arguments = vars(_parser().parse_args())
    as_json = arguments.pop("json")
    try:
        options = BenchOptions(**arguments)
        report = run_bench(options, lambda what: print(f"bench: {what}", file=sys.stderr, flush=True))
    except ReconError as error:
        print(f"recon: {error.message}\n{error.advice}", file=sys.stderr)
        return 2
    if options.markdown is not None:
        options.markdown.write_text(to_markdown(report), encoding="utf-8")
    print(json.dumps(report.plain()) if as_json else to_markdown(report), flush=True)
    for check in report.failed:
        print(f"WRONG: {check.operator}, {check.input}: {check.quantity} {check.error}", file=sys.stderr)
    return 1 if report.failed else 0


class _Tuple(argparse.Action):
    """Several values of one option, as frozen options keep them."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        assert values is not None
        setattr(namespace, self.dest, tuple(values))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m recon.bench", description=BenchOptions.__doc__)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    for flag in ("--quick", "--checks", "--torch-tiles", "--json"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--gaussians", type=int, action=_Tuple, nargs="+", default=())
    parser.add_argument("--regime", choices=REGIMES, action=_Tuple, nargs="+", default=())
    parser.add_argument("--size", action=_Tuple, nargs="+", default=(), metavar="WxH")
    parser.add_argument("--only", action=_Tuple, nargs="+", default=(), metavar="STAGE")
    parser.add_argument("--model", type=Path, action=_Tuple, nargs="+", default=())
    parser.add_argument("--scene", type=Path)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--markdown", type=Path)
    return parser


if __name__ == "__main__":
    sys.exit(main())
