"""Parts of a run with names: kept, exported alone, and labelled in the PLY."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from blobs import Blobs, blob_scene

from recon.errors import InputError, RunError
from recon.export.splat_renderer import SplatRenderer
from recon.export.splats import export_splats
from recon.export.work import Work
from recon.io.ply import read_labels, read_ply
from recon.io.selections import Selections, check_name, read_selections
from recon.io.splats.formats import read_splats, write_splats
from recon.io.splats.labels import Labels

COUNT = 120
RED, GREEN = torch.arange(COUNT) < 40, (torch.arange(COUNT) >= 40) & (torch.arange(COUNT) < 80)


def selections() -> Selections:
    means = Blobs().gaussians().means
    return Selections(means, {}).with_mask("red", RED).with_mask("green", GREEN)


def test_selections_read_back_in_the_order_of_the_alphabet(tmp_path: Path) -> None:
    written = selections()
    written.write(tmp_path / "selections.safetensors")
    read = read_selections(tmp_path / "selections.safetensors", written.means)
    assert read.names == ("green", "red")
    assert torch.equal(read.masks["red"], RED)


def test_a_run_that_has_none_has_none(tmp_path: Path) -> None:
    assert read_selections(tmp_path / "selections.safetensors", torch.zeros(4, 3)).names == ()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("red",), RED),
        (("red", "green"), RED | GREEN),
        (("not:red",), ~RED),
        (("red", "green", "not:green"), RED),
        (("not:red", "not:green"), ~(RED | GREEN)),
    ],
)
def test_words_choose_what_is_named_and_leave_out_what_is_not_wanted(
    words: tuple[str, ...], expected: torch.Tensor
) -> None:
    assert torch.equal(selections().chosen(words), expected)


def test_a_name_that_nobody_gave_lists_the_others() -> None:
    with pytest.raises(InputError, match=r"no selection called blue\. It has green, red"):
        selections().chosen(("not:blue",))


@pytest.mark.parametrize("name", ["", ".means", "two words", "not:red", "-dash"])
def test_names_that_cannot_be_typed_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="no name for a selection"):
        check_name(name)


def test_selections_of_a_run_that_was_trained_further_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "selections.safetensors"
    selections().write(path)
    with pytest.raises(RunError, match="before it was trained further"):
        read_selections(path, Blobs().gaussians().means + 1)
    path.write_bytes(b"no tensors")
    with pytest.raises(RunError, match="cannot be read"):
        read_selections(path, Blobs().gaussians().means)


def labelled() -> Work:
    kept = selections()
    return Work(SplatRenderer(Blobs().gaussians()), blob_scene(), labels=Labels(kept.labels(), kept.names))


def test_a_ply_holds_labels_and_their_names(tmp_path: Path) -> None:
    export_splats(labelled(), tmp_path / "all.ply", lambda done, what: None)
    labels = read_labels(tmp_path / "all.ply")
    assert labels is not None
    assert labels.names == ("green", "red")
    assert torch.equal(labels.numbers == 2, RED)
    assert torch.equal(labels.numbers == 1, GREEN)
    assert torch.equal(read_ply(tmp_path / "all.ply").means, Blobs().gaussians().means)


def test_other_programs_read_a_ply_with_labels(tmp_path: Path) -> None:
    """plyfile and open3d read every property by its name."""
    import open3d
    from plyfile import PlyData

    export_splats(labelled(), tmp_path / "all.ply", lambda done, what: None)
    vertices = PlyData.read(tmp_path / "all.ply")["vertex"]
    np.testing.assert_array_equal(np.asarray(vertices["label"]) == 2, RED.numpy())
    np.testing.assert_array_equal(np.asarray(vertices["x"]), Blobs().gaussians().means[:, 0].numpy())
    assert len(open3d.io.read_point_cloud(tmp_path / "all.ply").points) == COUNT


def test_labels_survive_a_conversion_and_are_lost_with_their_splats(tmp_path: Path) -> None:
    export_splats(labelled(), tmp_path / "all.ply", lambda done, what: None)
    asset = read_splats(tmp_path / "all.ply")
    asset.gaussians.means[0] = float("nan")
    write_splats(asset, tmp_path / "broken.ply")
    again = read_splats(tmp_path / "broken.ply")
    assert again.labels is not None
    assert len(again) == len(again.labels.numbers) == COUNT - 1
    assert int((again.labels.numbers == 2).sum()) == 39


def test_a_label_that_is_no_number_of_a_thing_is_no_label(tmp_path: Path) -> None:
    export_splats(labelled(), tmp_path / "all.ply", lambda done, what: None)
    text = (tmp_path / "all.ply").read_bytes()
    (tmp_path / "odd.ply").write_bytes(
        text.replace(b"float scale_0", b"float label").replace(b"float label\nend", b"float scale_0\nend")
    )
    assert read_labels(tmp_path / "odd.ply") is None  # sizes, under that name


def test_a_file_without_labels_is_as_it_always_was(tmp_path: Path) -> None:
    export_splats(
        Work(SplatRenderer(Blobs().gaussians()), blob_scene()), tmp_path / "plain.ply", lambda done, what: None
    )
    assert b"label" not in (tmp_path / "plain.ply").read_bytes()
    assert read_splats(tmp_path / "plain.ply").labels is None


def test_a_smaller_file_keeps_the_labels_of_what_is_left(tmp_path: Path) -> None:
    from dataclasses import replace

    export_splats(replace(labelled(), max_bytes=6000), tmp_path / "small.ply", lambda done, what: None)
    read = read_splats(tmp_path / "small.ply")
    assert read.labels is not None
    assert 0 < len(read) < COUNT
    means = {
        tuple(mean): number
        for mean, number in zip(Blobs().gaussians().means.tolist(), selections().labels().tolist(), strict=True)
    }
    assert [means[tuple(mean)] for mean in read.gaussians.means.tolist()] == read.labels.numbers.tolist()


def test_a_selection_alone_is_exported_and_compared_with_itself(tmp_path: Path) -> None:
    gaussians = Blobs().gaussians()
    kept = selections()
    from recon.cli.selecting import only

    work = only(labelled(), kept, ("not:red",))
    assert isinstance(work.model, SplatRenderer)
    written = export_splats(work, tmp_path / "rest.ply", lambda done, what: None)
    read = read_splats(tmp_path / "rest.ply")
    assert torch.equal(read.gaussians.means, gaussians.means[~RED])
    assert read.labels is not None
    assert read.labels.numbers.tolist() == [1] * 40 + [0] * 40
    assert written.facts["psnr"] > 60
    with pytest.raises(InputError, match="leaves nothing"):
        only(labelled(), kept, ("red", "not:red"))
