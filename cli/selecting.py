"""The parts of a run that somebody named, and work on some of them alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from jaxtyping import Bool
from torch import Tensor

from recon.cli.opening import TrainedRun
from recon.errors import InputError
from recon.export.splat_renderer import SplatRenderer
from recon.export.work import Work
from recon.io.selections import Selections, read_selections
from recon.io.splats.labels import Labels
from recon.types import HasGaussians

__all__ = ["keeper_of", "only", "with_selections"]


def with_selections(opened: TrainedRun, work: Work, words: tuple[str, ...]) -> Work:
    """The work on what is named, and with names for it; `words` are names, or `not:` and a name."""
    if not isinstance(opened.model, HasGaussians):
        if words:
            raise InputError(
                "Only Gaussians can be selected, and the run's model is of another kind.", advice="Leave out --select."
            )
        return work
    if not words and not opened.run.selections.is_file():
        return work
    selections = read_selections(opened.run.selections, opened.model.gaussians().means)
    labelled = replace(work, labels=Labels(selections.labels(), selections.names))
    return only(labelled, selections, words) if words else labelled


def only(work: Work, selections: Selections, words: tuple[str, ...]) -> Work:
    """The work on what `words` choose, its labels along."""
    assert isinstance(work.model, HasGaussians)
    assert work.labels is not None
    gaussians, kept = work.model.gaussians(), selections.chosen(words)
    if not bool(kept.any()):
        raise InputError(f"--select {' '.join(words)} leaves nothing.", advice="Select more, or leave out less.")
    names = ("means", "quats", "log_scales", "opacity_logits", "sh")
    some = replace(gaussians, **{name: getattr(gaussians, name).detach().cpu()[kept] for name in names})
    return replace(work, model=SplatRenderer(some), labels=work.labels.only(kept))


def keeper_of(opened: TrainedRun) -> Callable[[str, Bool[Tensor, "g"]], None]:
    """What writes a selection into the run, beside those it has."""
    assert isinstance(opened.model, HasGaussians)
    means = opened.model.gaussians().means

    def keep(name: str, mask: Bool[Tensor, "g"]) -> None:
        read_selections(opened.run.selections, means).with_mask(name, mask).write(opened.run.selections)

    return keep
