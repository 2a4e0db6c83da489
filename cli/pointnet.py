"""`recon pointnet`: networks that tell point clouds apart, trained and measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.cli.device import choose_device
from recon.errors import InputError
from recon.priors.clouds.training import CloudTraining

__all__ = ["Options", "run"]


@dataclass(frozen=True)
class Train:
    """Train a network on labelled clouds; a tenth of each class chooses the epoch and the threshold of "unknown"."""

    data: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """An .npz with points [clouds, n, 3], labels and class_names, or a folder with one that has "train" in its name."""
    network: Literal["pointnet", "pointnet2", "pointnet2-ssg", "pointnet2-msg"] = "pointnet2"
    """PointNet with T-Nets; PointNet++ with multi-resolution, single-scale or multi-scale grouping."""
    output: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder for checkpoint, weights and measurements. Without it: runs/ and the network's name."""
    resume: bool = False
    """Go on with a training that was stopped; ends where it would have ended."""
    start: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FILE...")] = ()
    """Weights to begin with, of the same classes and network; for pointnet2 also those of its parts, a pointnet2-ssg
    and a pointnet. With --epochs 0 they are put together as they are."""
    training: tyro.conf.OmitArgPrefixes[CloudTraining] = field(default_factory=CloudTraining)


@dataclass(frozen=True)
class Eval:
    """How often a network is right on labelled clouds: overall, by class, and what it takes for what."""

    data: Annotated[Path, tyro.conf.arg(metavar="FILE")]
    """An .npz with points [clouds, n, 3], labels and class_names."""
    classifier: Annotated[str, tyro.conf.arg(metavar="NAME")] = "pointnet2"
    """A network that recon has weights of (pointnet, pointnet2), or a .safetensors file from recon pointnet train."""
    votes: int = 4
    """Turns about the up axis that are averaged."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """Networks that tell point clouds apart: train one, or measure one."""

    command: Annotated[Train, tyro.conf.subcommand("train")] | Annotated[Eval, tyro.conf.subcommand("eval")]


def run(options: Options, console: Console) -> dict[str, Any]:
    match options.command:
        case Train():
            return _train(options.command, console, quiet=options.json)
        case Eval():
            return _eval(options.command, console, quiet=options.json)


def _train(options: Train, console: Console, *, quiet: bool) -> dict[str, Any]:
    from recon.priors.clouds.keeping import measured, train_in_folder
    from recon.priors.clouds.labelled import read_labelled
    from recon.priors.clouds.training import EpochReport

    folder = options.output if options.output is not None else Path("runs") / options.network
    clouds = read_labelled(_training_file(options.data))

    def told(report: EpochReport) -> None:
        console.say(
            f"epoch {report.epoch}: loss {report.loss:.3f}, {100 * report.training_accuracy:.1f} % of the drawn, "
            f"{100 * report.validation.accuracy:.1f} % of the held out "
            f"({100 * report.validation.mean_class_accuracy:.1f} % by class)"
        )

    with console.stage("train") as stage:
        trained = train_in_folder(
            *(folder, clouds, options.network, options.training),
            resume=options.resume,
            start=options.start,
            told=told,
            progress=lambda done: stage.progress(done, options.network),
        )
        stage.result = f"{100 * trained.validation.accuracy:.1f} % of the held out"
    if not quiet:
        _print(measured(trained.validation))
        print(f"Wrote {trained.weights}.")
    return {
        "weights": str(trained.weights),
        "threshold": trained.threshold,
        "validation": measured(trained.validation),
    }


def _eval(options: Eval, console: Console, *, quiet: bool) -> dict[str, Any]:
    from recon.priors.clouds.choosing import network_classifier
    from recon.priors.clouds.keeping import measured
    from recon.priors.clouds.labelled import read_labelled
    from recon.priors.clouds.scoring import confusion

    clouds = read_labelled(options.data)
    device = choose_device(options.device).name
    classifier = network_classifier(options.classifier, device=device, note=console.warn)
    if classifier.classes != clouds.classes:
        raise InputError(
            f"{options.data} has the classes {', '.join(clouds.classes)}; the network knows "
            f"{', '.join(classifier.classes)}.",
            advice="Measure with data of the same classes in the same order.",
        )
    classifier.votes = max(1, options.votes)
    with console.stage("classify") as stage:
        answers = classifier.classify(list(clouds.points.numpy()))
        stage.result = f"{len(clouds)} clouds"
    import torch

    scores = torch.tensor([list(answer.scores.values()) for answer in answers])
    found = measured(confusion(scores, clouds.labels, clouds.classes))
    unknown = sum(answer.label == "unknown" for answer in answers)
    if not quiet:
        _print(found)
        print(f"{unknown} of {len(answers)} would be called unknown.")
    return {"classifier": options.classifier, "data": str(options.data), "unknown": unknown, **found}


def _training_file(path: Path) -> Path:
    if not path.is_dir():
        return path
    found = sorted(path.glob("*train*.npz"))
    if len(found) != 1:
        raise InputError(
            f"{path} has {len(found)} files called *train*.npz.", advice="Pass the .npz itself with --data."
        )
    return found[0]


def _print(found: dict[str, Any]) -> None:
    width = max(len(name) for name in found["classes"])
    for name, row in zip(found["classes"], found["confusion"], strict=True):
        share = found["class_accuracy"].get(name)
        counts = " ".join(f"{count:>4}" for count in row)
        print(f"{name:<{width}}  {'' if share is None else f'{100 * share:5.1f} %':>7}  {counts}")
    print(f"{'overall':<{width}}  {100 * found['accuracy']:5.1f} %")
    print(f"{'by class':<{width}}  {100 * found['mean_class_accuracy']:5.1f} %")
