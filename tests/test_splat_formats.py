"""Every splat format that recon writes, there and back: how exactly numbers survive."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from splat_files import angles, assert_close, likely_gaussians, matched, written_asset

from recon.errors import InputError
from recon.io.splats.asset import SplatAsset, presentable
from recon.io.splats.formats import FORMATS, format_of, read_splats, write_splats
from recon.io.splats.spz import SpzVersion, write_spz
from recon.mesh.files import read_shape

WRITTEN = [known.ending for known in FORMATS if known.write is not None]


@pytest.mark.parametrize("ending", WRITTEN)
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_a_scene_survives_every_format_to_its_precision(tmp_path: Path, ending: str, degree: int) -> None:
    path, written = tmp_path / (ending if ending == "meta.json" else f"scene{ending}"), written_asset(600, degree)
    inside = replace(written, gaussians=replace(written.gaussians, sh=written.gaussians.sh.clamp(-0.9, 0.9)))
    write_splats(inside, path)
    read = read_splats(path).in_frame("colmap")
    assert read.gaussians.sh_degree == (0 if ending == ".splat" else degree)
    assert_close(matched(read.gaussians, inside.gaussians), inside.gaussians, ending)
    if ending != "meta.json":
        assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_each_version_of_spz_comes_back(tmp_path: Path, version: SpzVersion) -> None:
    written = written_asset(300)
    write_spz(written, tmp_path / "scene.spz", version=version)
    read = read_splats(tmp_path / "scene.spz").in_frame("colmap").gaussians
    again = matched(read, written.gaussians)
    assert float(angles(again.quats, written.gaussians.quats).max()) < (
        0.2 if version == 2 else 5e-2
    )  # of nearly round ones, whose turn shows least
    start = (tmp_path / "scene.spz").read_bytes()[:4]
    assert start == b"NGSP" if version == 4 else start[:2] == b"\x1f\x8b"


@pytest.mark.parametrize("ending", [".ply", ".compressed.ply", ".spz", ".sog", ".glb"])
def test_the_antialias_flag_survives_where_a_format_has_a_place_for_it(tmp_path: Path, ending: str) -> None:
    for antialiased in (False, True):
        write_splats(written_asset(5, antialiased=antialiased), tmp_path / f"scene{ending}")
        assert read_splats(tmp_path / f"scene{ending}").gaussians.antialiased is antialiased


@pytest.mark.parametrize("ending", [".ply", ".compressed.ply", ".splat", ".spz"])
def test_a_file_of_no_splats_is_a_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"empty{ending}"
    write_splats(written_asset(0), path)
    if ending == ".splat":  # no header: an empty file could be anything
        with pytest.raises(InputError, match="0 bytes"):
            read_splats(path)
    else:
        assert len(read_splats(path)) == 0


def test_a_splat_far_away_costs_the_others_no_precision(tmp_path: Path) -> None:
    gaussians = likely_gaussians(400)
    means = gaussians.means.clone()
    means[7] = torch.tensor([9e5, -4e5, 2e5])
    asset = SplatAsset(replace(gaussians, means=means), "colmap")
    assert write_splats(asset, tmp_path / "scene.ply") == write_splats(written_asset(20), tmp_path / "other.spz") == ()
    for ending in (".spz", ".compressed.ply"):
        (note,) = write_splats(asset, tmp_path / f"scene{ending}")
        assert note.startswith("1 of 400 Gaussians, far outside the scene")
        read = read_splats(tmp_path / f"scene{ending}").in_frame("colmap").gaussians
        rest = torch.arange(400) != 7
        near = torch.cdist(means[rest].double(), read.means.double()).amin(dim=1)
        assert float(near.max()) < (8e-3 if ending == ".spz" else 0.1), ending  # one chunk of 256 has the far one in it
        far = read.means[read.means.norm(dim=1).argmax()]  # drawn in, but where it was to be seen
        assert float(torch.nn.functional.cosine_similarity(far, means[7], dim=0)) > 0.999


def test_splats_that_cannot_be_shown_are_left_out_and_counted() -> None:
    gaussians = likely_gaussians(6)
    means, quats, sizes = gaussians.means.clone(), gaussians.quats.clone(), gaussians.log_scales.clone()
    logits = gaussians.opacity_logits.clone()
    means[0, 1], quats[1], logits[2], sizes[3, 0] = torch.nan, 0.0, torch.inf, -torch.inf
    shown = presentable(
        SplatAsset(replace(gaussians, means=means, quats=quats, log_scales=sizes, opacity_logits=logits)), "x.ply"
    )
    assert len(shown) == 5
    assert shown.gaussians.quats[0].tolist() == [1, 0, 0, 0]
    assert bool(shown.gaussians.opacity_logits.isfinite().all())
    assert bool(shown.gaussians.log_scales.isfinite().all())
    assert shown.notes == (
        "1 splats whose numbers are not finite are left out",
        "1 splats whose rotation has length zero are not rotated",
    )
    with pytest.raises(InputError, match="no splat whose numbers are finite"):
        presentable(SplatAsset(replace(gaussians, means=means * torch.nan)), "x.ply")


def test_an_unknown_ending_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match=r"cannot write splats as a\.ksplat: it writes \.compressed\.ply, \.glb"):
        format_of(Path("a.ksplat"), to_write=True)
    with pytest.raises(InputError, match=r"cannot read splats as a\.xyz: it reads"):
        format_of(Path("a.xyz"))
    assert format_of(Path("A.Compressed.PLY")).name == "compressed PLY"


def test_splats_in_gltfs_axes_are_not_measured_against_a_truth(tmp_path: Path) -> None:
    write_splats(written_asset(20), tmp_path / "scene.glb")
    (tmp_path / "none.glb").write_bytes(b"")
    with pytest.raises(InputError, match="holds splats, in the axes of glTF"):
        read_shape(tmp_path / "scene.glb")
    with pytest.raises(InputError, match="is empty"):
        read_shape(tmp_path / "none.glb")
