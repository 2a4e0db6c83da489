"""Every splat format, there and back: how exactly numbers survive, which way up they are, what other programs wrote."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from splat_files import SAMPLES, likely_gaussians, matched, written_asset

from recon.cli.main import main
from recon.errors import InputError
from recon.geometry import rotation_from_quaternion
from recon.io.frames import FRAMES, FrameName, axes_of, level, up_of
from recon.io.splats.asset import SplatAsset, presentable
from recon.io.splats.formats import FORMATS, format_of, read_splats, write_splats
from recon.io.splats.guess import guessed_weights
from recon.io.splats.sog import SogLevels, write_sog
from recon.io.splats.spz import SpzVersion, write_spz
from recon.io.splats.turning import placed, turned
from recon.ops.splat_reference import sh_basis
from recon.types import Gaussians

WRITTEN = [known.ending for known in FORMATS if known.write is not None]
STEPS = {  # largest errors of position, orientation (radians), log scale, opacity and colour coefficients
    ".ply": (0, 1e-6, 0, 0, 0),
    ".compressed.ply": (2e-2, 4e-3, 6e-3, 3e-3, 2e-2),  # a chunk here spans 10 units, far more than in a real scene
    ".splat": (0, 2e-2, 1e-5, 3e-3, 8e-3),
    ".spz": (1e-3, 5e-3, 3.2e-2, 3e-3, 7e-2),
    ".html": (1e-3, 5e-3, 3.2e-2, 3e-3, 7e-2),  # SPZ inside
    # SOG drops bits of positions below a share of the smaller Gaussians' size; more of them, in metres, far out.
    ".sog": (6e-3, 4e-2, 0.25, 6e-3, 0.15),
    "meta.json": (6e-3, 4e-2, 0.25, 6e-3, 0.15),
    ".glb": (0, 1e-6, 1e-5, 1e-6, 0),
}
PALETTES = (".sog", "meta.json")
"""Their view-dependent colours are one of few, and noise, as here, does not come in few kinds."""
Said = pytest.CaptureFixture[str]


def angles(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Largest sine between axes of ellipsoids, which look the same along an axis and against it."""
    first, second = (torch.from_numpy(rotation_from_quaternion(q.double().numpy())) for q in (a, b))
    return torch.linalg.cross(first, second, dim=1).norm(dim=1).amax(dim=1)


def assert_close(read: Gaussians, written: Gaussians, ending: str) -> None:
    position, angle, scale, opacity, colour = STEPS[ending]
    k = min(read.sh.shape[1], 1 if ending in PALETTES else written.sh.shape[1])
    assert float((read.means - written.means).abs().max()) <= position
    assert float(angles(read.quats, written.quats).max()) <= angle
    assert float((read.log_scales - written.log_scales).abs().max()) <= scale
    assert float((read.opacity_logits.sigmoid() - written.opacity_logits.sigmoid()).abs().max()) <= opacity
    assert float((read.sh[:, :k] - written.sh[:, :k]).abs().max()) <= colour


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
    assert float(angles(again.quats, written.gaussians.quats).max()) < (0.2 if version == 2 else 5e-3)
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
    for ending in (".spz", ".compressed.ply"):
        write_splats(SplatAsset(replace(gaussians, means=means), "colmap"), tmp_path / f"scene{ending}")
        read = read_splats(tmp_path / f"scene{ending}").in_frame("colmap").gaussians
        rest = torch.arange(400) != 7
        near = torch.cdist(means[rest].double(), read.means.double()).amin(dim=1)
        assert float(near.max()) < (1e-3 if ending == ".spz" else 0.1), ending  # one chunk of 256 has the far one in it
        far = read.means[read.means.norm(dim=1).argmax()]  # drawn in, but where it was to be seen
        assert float(torch.nn.functional.cosine_similarity(far, means[7], dim=0)) > 0.999


def test_few_kinds_of_view_dependent_colour_survive_a_palette(tmp_path: Path) -> None:
    written = written_asset(600)
    kinds = written.gaussians.sh[:9, 1:].clamp(-0.9, 0.9)
    sh = torch.cat([written.gaussians.sh[:, :1], kinds[torch.arange(600) % 9]], dim=1)
    asset = replace(written, gaussians=replace(written.gaussians, sh=sh))
    write_splats(asset, tmp_path / "scene.sog")
    read = matched(read_splats(tmp_path / "scene.sog").gaussians, asset.gaussians)
    assert float((read.sh[:, 1:] - sh[:, 1:]).abs().max()) < 0.1  # 64 values stand for 405


# --- Frames ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frame", FRAMES)
def test_a_turn_and_its_inverse_change_nothing(frame: FrameName) -> None:
    gaussians = likely_gaussians(50)
    there = turned(gaussians, axes_of(frame))
    back = turned(there, axes_of(frame).T)
    torch.testing.assert_close(back.means, gaussians.means, atol=1e-6, rtol=0)
    torch.testing.assert_close(back.sh, gaussians.sh, atol=1e-6, rtol=0)
    assert float(angles(back.quats, gaussians.quats).max()) < 1e-5


@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_colours_are_seen_from_turned_directions(mirrored: bool) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))
    turn = turn * np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    gaussians = likely_gaussians(20)
    towards = torch.nn.functional.normalize(torch.randn(20, 3, generator=torch.Generator().manual_seed(5)), dim=-1)
    before = (sh_basis(3, towards)[..., None] * gaussians.sh).sum(dim=1)
    after = turned(gaussians, turn)
    seen = (sh_basis(3, towards @ torch.from_numpy(turn).float().T)[..., None] * after.sh).sum(dim=1)
    torch.testing.assert_close(seen, before, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mirrored", [False, True])
def test_turned_ellipsoids_lie_where_the_turn_puts_them(mirrored: bool) -> None:
    turn, _ = np.linalg.qr(np.random.default_rng(4).normal(size=(3, 3)))
    turn = turn * np.sign(np.linalg.det(turn)) * (-1 if mirrored else 1)
    gaussians = likely_gaussians(30)

    def covariances(these: Gaussians) -> np.ndarray:
        axes = rotation_from_quaternion(these.quats.double().numpy()) * these.log_scales.double().exp().numpy()[:, None]
        return axes @ axes.swapaxes(1, 2)

    expected = turn @ covariances(gaussians) @ turn.T
    np.testing.assert_allclose(covariances(turned(gaussians, turn)), expected, atol=1e-6)


def test_up_ends_up_where_each_program_looks_for_it() -> None:
    ups = {"colmap": (0, -1, 0), "opengl": (0, 1, 0), "unity": (0, 1, 0), "unreal": (0, 0, 1), "blender": (0, 0, 1)}
    left_handed = {"unity", "unreal"}
    for frame in FRAMES:
        assert up_of(frame).tolist() == list(ups[frame])
        assert np.linalg.det(axes_of(frame)) == pytest.approx(-1 if frame in left_handed else 1)


def test_worlds_of_known_up_are_levelled_by_the_shortest_turn() -> None:
    np.testing.assert_allclose(level(np.array([0.0, -1.0, 0.0])), np.eye(3), atol=0)
    np.testing.assert_allclose(level(np.array([0.0, 1.0, 0.0])), axes_of("opengl").T, atol=0)
    np.testing.assert_allclose(level(np.array([0.0, 0.0, 1.0])), axes_of("blender").T, atol=0)
    np.testing.assert_allclose(level(np.array([0.02, 0.03, 2.0])), axes_of("blender").T, atol=0)  # nearly an axis
    tilted = np.array([0.3, -0.8, 0.4])
    np.testing.assert_allclose(level(tilted) @ tilted, [0, -float(np.linalg.norm(tilted)), 0], atol=1e-12)


def test_placing_scales_and_shifts_without_touching_the_rest() -> None:
    gaussians = likely_gaussians(10)
    moved = placed(gaussians, np.array([[2.0, 0, 0, 5], [0, 2, 0, 0], [0, 0, 2, -1], [0, 0, 0, 1]]))
    torch.testing.assert_close(moved.means, gaussians.means * 2 + torch.tensor([5.0, 0, -1]))
    torch.testing.assert_close(moved.log_scales, gaussians.log_scales + np.log(2).astype(np.float32))
    assert torch.equal(moved.quats, gaussians.quats)
    assert torch.equal(moved.sh, gaussians.sh)


# --- Files of other programs ------------------------------------------------------------------------------------------


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


# --- What no file should do to us -------------------------------------------------------------------------------------


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


# --- The command ------------------------------------------------------------------------------------------------------


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


def test_what_is_left_out_first_is_small_and_faint() -> None:
    gaussians = likely_gaussians(50)
    gaussians.opacity_logits[7] = -9.0
    gaussians.log_scales[9] = -12.0
    assert set(guessed_weights(gaussians).argsort()[:2].tolist()) == {7, 9}


def test_colours_that_are_seen_get_more_of_a_palette(tmp_path: Path) -> None:
    gaussians = likely_gaussians(3000, degree=2)
    seen = torch.arange(3000) % 10 == 0
    errors = []
    for weights in (torch.ones(3000), seen + 1e-3):
        asset = SplatAsset(gaussians, "colmap", (0.0, -1.0, 0.0), weights=weights.float())
        write_sog(asset, tmp_path / "a.sog", SogLevels(position=0.01))
        read = matched(read_splats(tmp_path / "a.sog").gaussians, gaussians)
        errors.append(float((read.sh[seen, 1:] - gaussians.sh[seen, 1:]).square().mean()))
    assert errors[1] < 0.6 * errors[0], "300 of them have nearly all of the 187 entries for themselves"


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


# --- Other programs as clients ----------------------------------------------------------------------------------------


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
    read = read_splats(tmp_path / f"theirs{ending}").in_frame("colmap").gaussians
    assert_close(matched(read, written.gaussians), written.gaussians, ending)


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
