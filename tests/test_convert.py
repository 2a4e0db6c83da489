"""The commands convert and info: splats from file to file, and what a file is."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from splat_files import matched, written_asset

from recon.cli.main import main
from recon.io.splats.formats import read_splats, write_splats

Said = pytest.CaptureFixture[str]


def test_convert_turns_and_says_what_it_wrote(tmp_path: Path, capsys: Said) -> None:
    write_splats(written_asset(20), tmp_path / "scene.ply")
    for target, asked, frame in (("a.spz", None, "opengl"), ("b.ply", None, "colmap"), ("c.ply", "unity", "unity")):
        arguments = ["convert", str(tmp_path / ("a.spz" if target == "b.ply" else "scene.ply")), str(tmp_path / target)]
        assert main([*arguments, "--json", *(["--frame", asked] if asked else [])]) == 0
        said = json.loads(capsys.readouterr().out)
        assert (said["gaussians"], said["frame"]) == (20, frame)
        assert said["bytes"] == (tmp_path / target).stat().st_size
    assert main(["info", str(tmp_path / "c.ply"), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["format"], said["frame"], said["up"], said["sh_degree"]) == ("3DGS PLY", "unity", "0 1 0", 3)
    unity = matched(read_splats(tmp_path / "c.ply").in_frame("colmap").gaussians, written_asset(20).gaussians)
    torch.testing.assert_close(unity.sh, written_asset(20).gaussians.sh, atol=1e-6, rtol=0)


def test_convert_refuses_axes_that_the_format_does_not_have(tmp_path: Path, capsys: Said) -> None:
    write_splats(written_asset(20), tmp_path / "scene.ply")
    for name in ("a.spz", "a.glb", "a.html"):
        assert main(["convert", str(tmp_path / "scene.ply"), str(tmp_path / name), "--frame", "unity"]) == 2
        assert "prescribes the axes of opengl" in capsys.readouterr().err
        assert not (tmp_path / name).exists()
    assert main(["convert", str(tmp_path / "scene.ply"), str(tmp_path / "a.spz"), "--frame", "opengl"]) == 0


@pytest.mark.parametrize(
    ("name", "version", "most"), [("a.ply", 4, 30_000), ("a.spz", 2, 9_000), ("a.html", 4, 36_000)]
)
def test_convert_keeps_a_size(tmp_path: Path, capsys: Said, name: str, version: int, most: int) -> None:
    write_splats(written_asset(400, degree=2), tmp_path / "scene.ply")
    arguments = ["--max-size", f"{most}", "--spz-version", f"{version}", "--json"]
    assert main(["convert", str(tmp_path / "scene.ply"), str(tmp_path / name), *arguments]) == 0
    said = json.loads(capsys.readouterr().out)
    assert 0.6 * most < (tmp_path / name).stat().st_size <= most
    assert len(read_splats(tmp_path / name)) == said["gaussians"] == 400 - said["left_out"]


@pytest.mark.parametrize("target", ["scene.spz", "link.spz", "../there/scene.spz"])
def test_convert_does_not_replace_what_it_reads(tmp_path: Path, capsys: Said, target: str) -> None:
    folder = tmp_path / "there"
    folder.mkdir()
    source = folder / "scene.spz"
    write_splats(written_asset(20), source)
    (folder / "link.spz").symlink_to(source)
    before = source.read_bytes()
    assert main(["convert", str(source), str(folder / target)]) == 2
    assert "would replace what it is made from" in capsys.readouterr().err
    assert source.read_bytes() == before


def test_a_mesh_is_not_taken_for_damaged_splats(tmp_path: Path, capsys: Said) -> None:
    trimesh = pytest.importorskip("trimesh")
    trimesh.creation.box().export(tmp_path / "mesh.glb")
    assert main(["convert", str(tmp_path / "mesh.glb"), str(tmp_path / "a.ply")]) == 2
    said = capsys.readouterr().err
    assert "holds a mesh, not splats" in said
    assert "damaged" not in said
    assert main(["info", str(tmp_path / "mesh.glb"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kind"], told["faces"]) == ("mesh", 12)


def test_info_says_what_is_unknown_in_words(tmp_path: Path, capsys: Said) -> None:
    asset = replace(written_asset(20), frame=None, up=None)
    write_splats(asset, tmp_path / "a.splat")
    assert main(["info", str(tmp_path / "a.splat")]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["axes"].strip() == "not said"
    assert lines["antialiased"].strip() == "no"
    assert lines["notes"].strip() == "none"
