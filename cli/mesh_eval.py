"""`recon mesh-eval`: a mesh against the truth."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from recon.cli.command import Talk
from recon.cli.console import Console
from recon.mesh.aligning import aligned
from recon.mesh.comparing import MeshScores, Shape, compare, default_threshold, has_outliers
from recon.mesh.files import read_shape

__all__ = ["Options", "print_scores", "run", "score"]


@dataclass(frozen=True, kw_only=True)
class Options(Talk):
    """How near a mesh is to the truth, in the manner of DTU and of Tanks and Temples.

    Accuracy is the mean distance from the mesh to the truth, completeness from the truth to the mesh, chamfer their
    mean. Precision and recall are the shares within the threshold, the F-score their harmonic mean.
    """

    mesh: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="MESH")]
    """A mesh or point cloud: .ply, .glb, .obj, .stl."""
    gt: Annotated[Path, tyro.conf.arg(metavar="GT")]
    """The truth: a mesh or a point cloud, in the same frame and units."""
    visible: Annotated[Path | None, tyro.conf.arg(metavar="POINTS")] = None
    """Points of the truth that could be seen. Only these have to be found; the rest may be."""
    threshold: float | None = None
    """Distance that counts as right, in the truth's units. Without it: 1 % of the truth's longest side."""
    align: bool = False
    """First move, turn and scale the mesh onto the truth (ICP)."""


def run(options: Options, console: Console) -> dict[str, Any]:
    with console.stage("read") as stage:
        mesh, truth = read_shape(options.mesh), read_shape(options.gt)
        visible = None if options.visible is None else read_shape(options.visible)
        stage.result = f"{_size(mesh)} against {_size(truth)}"
    scores = score(mesh, truth, visible=visible, threshold=options.threshold, align=options.align, console=console)
    if not options.json:
        print_scores(scores)
    return {"mesh": str(options.mesh), "gt": str(options.gt), **asdict(scores)}


def score(
    mesh: Shape, truth: Shape, *, visible: Shape | None, threshold: float | None, align: bool, console: Console
) -> MeshScores:
    """`compare`, moved onto the truth first where asked, at 1 % of what could be seen where no threshold is given."""
    wanted = truth if visible is None else visible
    if align:
        with console.stage("align"):
            mesh = aligned(mesh, wanted)
    if threshold is None:
        threshold = default_threshold(wanted)
        if has_outliers(wanted):
            console.warn(
                f"A few points of the truth lie far from the rest: 1 % of its longest side, {threshold:.4g}, counts as "
                "right. Pass --threshold, or the truth without them."
            )
    with console.stage("compare") as stage:
        scores = compare(mesh, truth, threshold=threshold, visible=visible, progress=stage.progress)
        stage.result = f"within {threshold:.4g}: F-score {scores.fscore:.3f}"
    return scores


def print_scores(scores: MeshScores) -> None:
    for name, value in asdict(scores).items():
        print(f"{name:<13}{value:.4g}")


def _size(shape: Shape) -> str:
    return f"{len(shape.faces)} faces" if len(shape.faces) > 0 else f"{len(shape.vertices)} points"
