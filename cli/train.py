"""`recon train`: the whole way from photos to a scene, and every promise on it: the budget, Ctrl-C, --resume."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from recon.cli.console import Console
from recon.cli.device import choose_device
from recon.cli.duration import Deadline, seconds_of
from recon.cli.fingerprint import describe_program
from recon.cli.finishing import finish
from recon.cli.preparing import prepare
from recon.cli.resuming import continued
from recon.cli.train_options import Options
from recon.cli.training import train_run
from recon.cli.watching import watched
from recon.errors import InputError
from recon.io.run import Run, trained_already
from recon.io.settings import to_plain

__all__ = ["Options", "arguments", "run"]

_WORDS = ("gaussians", "nerf", "nerf-classic")


def arguments(given: Sequence[str]) -> list[str]:
    """`--resume` without a folder means that of `--output`."""
    given = list(given)
    if "--resume" not in given:
        return given
    at = given.index("--resume")
    if at + 1 < len(given) and not given[at + 1].startswith("-") and given[at + 1] not in _WORDS:
        return given
    output = [given[i + 1] for i, word in enumerate(given[:-1]) if word == "--output"]
    output += [word.removeprefix("--output=") for word in given if word.startswith("--output=")]
    if len(output) == 0:
        raise InputError("--resume does not say which run.", advice="Write recon train --resume RUN.")
    return [*given[: at + 1], output[-1], *given[at + 1 :]]


def run(options: Options, console: Console) -> dict[str, Any]:
    """Train, and what comes after it; the JSON object of `recon train`."""
    budget = None if options.budget is None else seconds_of(options.budget)
    seconds_of(options.save_every, "--save-every")
    anew = options.resume is None
    run, options = _started(options) if anew else continued(options)
    with run.locked():
        config = _new_config(run, options) if anew else run.read_config()
        if not anew:
            run.forget_beside()
        try:
            return _train(run, options, config, Deadline(console.started, budget), console)
        except KeyboardInterrupt as stopped:
            kept = "The last checkpoint is whole." if run.has_checkpoint else "Nothing was trained yet."
            raise KeyboardInterrupt(str(stopped) or f"{kept} Go on with recon train --resume {run.folder}") from None


def _started(options: Options) -> tuple[Run, Options]:
    if options.images is None:
        raise InputError("There are no photos to train on.", advice="Pass their folder: recon train --images DIR.")
    if not options.images.exists():
        raise InputError(f"{options.images} does not exist.", advice="Pass the folder that holds the photos.")
    output = options.output or Path("runs") / options.images.resolve().name
    for path in (options.images.absolute(), output.absolute()):
        if not path.as_posix().isprintable():
            raise InputError(f"{str(path)!a} has unprintable characters in its name.", advice="Rename the folder.")
    run = Run.create(output, overwrite=options.overwrite)
    masks = None if options.masks is None else options.masks.absolute()
    maps = None if options.depth_from is None else options.depth_from.absolute()
    settled = replace(options, images=options.images.absolute(), masks=masks, depth_from=maps)
    return run, replace(settled, output=run.folder.absolute())


def _new_config(run: Run, options: Options) -> dict[str, Any]:
    """What config.toml will say, and says at once where no trained run is lost by it. Call it holding the lock."""
    config = {"recon": describe_program(), "options": to_plain(options)}
    if not run.has_checkpoint:
        run.begin(config)
    elif not options.overwrite:
        raise trained_already(run.folder)
    return config


def _train(run: Run, options: Options, config: dict[str, Any], deadline: Deadline, console: Console) -> dict[str, Any]:
    device = choose_device(options.device)
    if device.sentence != "":
        console.say(device.sentence)
    options = replace(options, device=device.name)
    replaces = "scene" not in config and run.has_checkpoint
    try:
        prepared = prepare(run, config, options, deadline, console)
    except KeyboardInterrupt:
        if replaces and run.has_checkpoint:
            raise KeyboardInterrupt(f"Nothing was replaced: {run.folder} holds the run that was there.") from None
        raise
    with watched(prepared.scene, options, console) as viewer:
        state = train_run(run, prepared, options, console, viewer)
        if viewer is None:
            metrics = finish(run, prepared, state, console, deadline=deadline)
        else:
            viewer.finish()
            between = functools.partial(viewer.serve_pending, state.model)
            metrics = finish(run, prepared, state, console, deadline=deadline, between=between)
    console.say(f"Look at it: recon view {run.folder}")
    return {
        "run": str(run.folder),
        "stages": [asdict(stage) for stage in console.stages],
        "photos": prepared.photos,
        "registered": len(prepared.reconstruction.views),
        "measured": len(metrics.views),
        "psnr": None if math.isnan(metrics.psnr) else metrics.psnr,
        "ssim": None if math.isnan(metrics.ssim) else metrics.ssim,
        **state.model.counts(),
        "steps": state.step,
    }
