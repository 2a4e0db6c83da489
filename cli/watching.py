"""The page that shows a training: there while it trains and while the result is measured, unless nobody wants it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from recon.cli.console import Console
from recon.training import PausableClock
from recon.types import Renderer, Scene

if TYPE_CHECKING:
    from recon.cli.train_options import Options
    from recon.viewer import Viewer

__all__ = ["serve", "watched"]


@contextlib.contextmanager
def watched(scene: Scene, options: Options, console: Console) -> Iterator[Viewer | None]:
    """The viewer, its address said; None with `--no-viewer`."""
    if options.no_viewer:
        yield None
        return
    from recon.viewer import Viewer

    with contextlib.closing(Viewer(scene, port=options.port)) as viewer:
        taken = f" (port {viewer.moved_from} is taken)" if viewer.moved_from is not None else ""
        console.say(f"Watch it at {viewer.address}{taken}")
        yield viewer


def serve(
    viewer: Viewer, model: Renderer, clock: PausableClock, console: Console, interrupted: Callable[[], bool]
) -> None:
    """Draw what browsers asked for; while somebody holds the training, its clock stands still."""
    viewer.serve_pending(model)
    if not viewer.paused:
        return
    clock.pause()
    console.insist(
        f"Training is paused. Go on at {viewer.address}, even if its page was closed; Ctrl-C saves and ends."
    )
    viewer.serve_while(model, lambda: viewer.paused and not interrupted())
    if not interrupted():
        console.insist("Training goes on.")
    clock.resume()
