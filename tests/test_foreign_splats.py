"""Splats of other programs are read here, and ours there: files they wrote, and the programs themselves."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from splat_files import PALETTES, SAMPLES, STEPS, assert_close, matched, written_asset

from recon.errors import InputError
from recon.io.splats.formats import read_splats, write_splats
from recon.io.splats.turning import turned


@pytest.mark.parametrize(
    ("name", "count", "frame", "upright"),
    [
        ("guitar.compressed.ply", 90854, None, 1),
        ("biker_v4.spz", 152746, "opengl", 1),
        ("model_a.splat", 60634, None, None),
        ("sog_playcanvas_logo/meta.json", 307128, None, 1),
    ],
)
def test_samples_of_other_programs_are_read(
    data: Path, name: str, count: int, frame: str | None, upright: int | None
) -> None:
    asset = read_splats(data / SAMPLES / name)
    assert (len(asset), asset.frame) == (count, frame)
    if upright is not None:  # what stands on the ground reaches farther above the origin than below it
        heights = -asset.in_frame("colmap").gaussians.means[:, 1]
        assert float(heights.max()) > 5 * abs(float(heights.min()))


def test_the_same_four_splats_in_five_formats_are_the_same(data: Path) -> None:
    folder = data / SAMPLES / "minimal"
    by_name = {p.name: read_splats(p).in_frame("colmap").gaussians for p in sorted(folder.iterdir())}
    truth = by_name["minimal.splat"]
    assert len(by_name) == 6
    for name in ("minimal.ksplat", "minimal-v3.spz", "minimal-v4.spz"):
        read = matched(by_name[name], truth)
        torch.testing.assert_close(read.means, truth.means)
        torch.testing.assert_close(read.log_scales, truth.log_scales, atol=0.02, rtol=0)
        torch.testing.assert_close(read.sh, truth.sh, atol=0.02, rtol=0)
        torch.testing.assert_close(read.opacity_logits, truth.opacity_logits, atol=0.02, rtol=0)
    for name in ("minimal-raw.spz", "minimal-v2.spz"):  # written by a tool of its own
        assert by_name[name].means.abs().sum() == truth.means.abs().sum()


@pytest.mark.parametrize(
    "name", ["empty.splat", "odd_length.splat", "truncated.compressed.ply", "truncated_v4.spz", "header_only.ply"]
)
def test_broken_samples_are_refused_by_name(data: Path, name: str) -> None:
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as refused:
        read_splats(data / "importer" / "broken" / name)
    assert refused.value.advice


@pytest.fixture(scope="session")
def npm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages of other programs; the test is skipped where npm cannot get them."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("no npm")
    folder = tmp_path_factory.mktemp("npm")
    packages = ["@playcanvas/splat-transform@2", "gltf-validator"]
    try:
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", *packages],
            cwd=folder,
            capture_output=True,
            timeout=120,
            check=False,
        )
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not answer")
    if done.returncode != 0:
        pytest.skip("npm cannot get splat-transform and gltf-validator")
    return folder


def transform(npm: Path, *arguments: object) -> None:
    tool = [str(npm / "node_modules" / ".bin" / "splat-transform"), "--quiet", "--overwrite", "--gpu", "cpu"]
    done = subprocess.run([*tool, *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".ply", ".compressed.ply", ".spz", ".sog"])
def test_splat_transform_reads_what_we_write(npm: Path, tmp_path: Path, ending: str) -> None:
    written = written_asset(500)
    write_splats(written, tmp_path / f"ours{ending}")
    transform(npm, tmp_path / f"ours{ending}", tmp_path / "theirs.ply")
    read = read_splats(tmp_path / "theirs.ply").gaussians
    assert_close(matched(read, written.gaussians), written.gaussians, ending)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".ply", ".compressed.ply", ".spz", ".sog"])
def test_we_read_what_splat_transform_writes(npm: Path, tmp_path: Path, ending: str) -> None:
    written = written_asset(500)
    write_splats(written, tmp_path / "ours.ply")
    transform(npm, tmp_path / "ours.ply", tmp_path / f"theirs{ending}")
    read = matched(read_splats(tmp_path / f"theirs{ending}").in_frame("colmap").gaussians, written.gaussians)
    if ending in PALETTES:  # its means of colours begin at random: now and then a rare colour falls to a far one
        apart = (read.sh[:, 0] - written.gaussians.sh[:, 0]).abs().amax(dim=1)
        assert float(apart.quantile(0.95)) <= STEPS[ending][-1]
        read = replace(read, sh=written.gaussians.sh)
    assert_close(read, written.gaussians, ending)


@pytest.mark.slow
def test_splat_transforms_glb_is_read(npm: Path, tmp_path: Path) -> None:
    written = written_asset(500)
    write_splats(written, tmp_path / "ours.ply")
    transform(npm, tmp_path / "ours.ply", tmp_path / "theirs.glb")
    read = read_splats(tmp_path / "theirs.glb").gaussians
    # It turns half around the z axis from 3DGS files to glTF, we around x: y is up either way.
    back = turned(read, np.diag([-1.0, -1.0, 1.0]))
    assert_close(matched(back, written.gaussians), written.gaussians, ".glb")


@pytest.mark.slow
def test_the_khronos_validator_finds_no_errors_in_our_glb(npm: Path, tmp_path: Path) -> None:
    write_splats(written_asset(100), tmp_path / "ours.glb")
    script = (
        "const v=require('gltf-validator'),fs=require('fs');"
        "v.validateBytes(new Uint8Array(fs.readFileSync(process.argv[1]))).then(r=>console.log(JSON.stringify(r)))"
    )
    done = subprocess.run(
        ["node", "-e", script, str(tmp_path / "ours.glb")], cwd=npm, capture_output=True, text=True, check=True
    )
    # This validator does not know the extension, and so not the names of its attributes.
    serious = [m for m in json.loads(done.stdout)["issues"]["messages"] if m["severity"] < 2]
    assert [m for m in serious if "/attributes/KHR_gaussian_splatting:" not in m["pointer"]] == []
    assert {m["code"] for m in serious} <= {"MESH_PRIMITIVE_INVALID_ATTRIBUTE"}
