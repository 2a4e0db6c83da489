"""The benchmark: what it says is measured, compared in turns, and wrong operators do not pass."""

from __future__ import annotations

import inspect
import json
import math
import time
from argparse import ArgumentParser
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from room import Room

import recon.bench.check_gaussians as check_gaussians
from recon.bench import BenchOptions, run_bench, to_markdown
from recon.bench.__main__ import _parser
from recon.bench.checks import check_rows
from recon.bench.frozen import frozen
from recon.bench.gaussian_stages import GaussianStep
from recon.bench.gsplat_step import call_options
from recon.bench.inputs import AWKWARD, awkward, made_up
from recon.bench.peers import beside_torch
from recon.bench.results import BenchReport, Ceilings, RatioRow, Timing
from recon.bench.stages import Stage, Work, stage_rows
from recon.bench.timing import samples_in_turns
from recon.bench.torch_tiles import as_published, evaluations_needed, project, rasterize, tiles_of
from recon.bench.training import train_for
from recon.cli.main import main
from recon.errors import InputError
from recon.io.ply import write_ply
from recon.io.scene_file import write_scene
from recon.models import GaussianConfig
from recon.ops.blocks import pack
from recon.ops.photometric import photometric
from recon.ops.splat import splat, splat_forward
from recon.types import Lens, Reconstruction, View

CPU = torch.device("cpu")


def test_parts_run_in_turns_after_the_warm_up() -> None:
    order: list[str] = []
    parts = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    samples = samples_in_turns(parts, CPU, repeats=4, warm_ups=2)
    assert order == ["a", "b"] * 6
    assert {name: len(times) for name, times in samples.items()} == {"a": 4, "b": 4}


def test_median_and_percentiles_are_of_the_runs() -> None:
    timing = Timing.of([float(value) for value in range(101)])
    assert (timing.p10, timing.median, timing.p90, timing.runs) == (10, 50, 90, 101)


def test_a_wrong_operator_fails_its_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check_gaussians, "photometric", lambda *a, **k: 1.001 * photometric(*a, **k))
    checks = [check for check in check_gaussians.gaussian_checks() if check.operator == "loss"]
    failed = [row for row in check_rows(checks, CPU) if not row.passed]
    assert {row.quantity for row in failed} >= {"loss", "gradient of colour"}


def test_a_stage_that_does_not_exist_is_not_available_rather_than_a_number() -> None:
    def absent() -> None:
        raise NotImplementedError("nobody wrote it")

    stages = [Stage("there", lambda: None), Stage("absent", absent), Stage("after", lambda: None, needs=("absent",))]
    rows = {
        row.stage: row
        for row in stage_rows(stages, input_name="x", device=CPU, ceilings=None, sums={"sum": ("there", "absent")})
    }
    assert rows["there"].timing is not None
    assert rows["absent"].timing is None
    assert rows["absent"].note == "not available: nobody wrote it"
    assert rows["after"].timing is None
    assert "sum" not in rows


def test_a_bug_in_a_stage_is_not_taken_for_its_absence() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        stage_rows([Stage("broken", _raise)], input_name="x", device=CPU, ceilings=None)


def test_shares_follow_from_work_time_and_ceilings() -> None:
    rows = stage_rows(
        [Stage("copy", lambda: None, lambda: Work(bytes=1e6, flops=2e6))],
        input_name="x",
        device=CPU,
        ceilings=Ceilings(copy_gigabytes=10.0, fma_gigaflops=100.0),
    )
    (row,) = rows
    assert row.timing is not None
    assert row.memory_share == pytest.approx(1e6 / (1e6 * row.timing.median) / 10)
    assert row.compute_share == pytest.approx(2e6 / (1e6 * row.timing.median) / 100)


def test_only_runs_what_is_named_and_what_that_needs() -> None:
    ran: list[str] = []
    names = ("forward", "loss", "backward", "noise")
    needs = {"backward": ("loss",), "loss": ("forward",)}
    stages = [Stage(name, lambda name=name: ran.append(name), needs=needs.get(name, ())) for name in names]
    rows = stage_rows(stages, input_name="x", device=CPU, ceilings=None, only=["back"])
    assert [row.stage for row in rows] == ["forward", "loss", "backward"]
    assert "noise" not in ran


def test_made_up_scenes_repeat_and_have_the_sizes_they_promise() -> None:
    one, again = made_up("trained", 5000, 480, 270), made_up("trained", 5000, 480, 270)
    assert torch.equal(one.gaussians.means, again.gaussians.means)
    small = made_up("small", 5000, 480, 270).gaussians
    pixels = small.log_scales.exp() * 0.9 * 480 / small.means[:, 2:]
    assert float(pixels.median()) == pytest.approx(1.0, rel=0.05)
    opacity = torch.sigmoid(one.gaussians.opacity_logits)
    assert 0.4 < float((opacity > 0.8).float().mean()) < 0.6
    assert float(((opacity > 0.3) & (opacity < 0.7)).float().mean()) < 0.1


@pytest.mark.parametrize("kind", AWKWARD)
def test_awkward_inputs_are_as_awkward_as_they_say(kind: str) -> None:
    view = awkward(kind, 400, 96, 64)
    frame = splat_forward(pack(view.gaussians), view.cameras[0], sh_degree=3)
    if kind in ("behind the camera", "invisible", "none"):
        assert frame.seen_count == 0
    if kind == "screen-filling":
        assert frame.pair_count == 400 * 6 * 4  # every tile, every time
    if kind == "one tile":
        touched = frame.alpha.reshape(4, 16, 6, 16).amax(dim=(1, 3)) > 0.05
        assert int(touched.sum()) <= 9  # its neighbours see an edge
        assert float(frame.alpha[36:44, 52:60].min()) > 0.1
    assert tuple(frame.alpha.shape) == {"odd size": (65, 97), "one pixel": (1, 1)}.get(kind, (64, 96))


def test_the_least_number_of_evaluations_is_that_of_brute_force() -> None:
    view = made_up("trained", 300, 48, 32)
    counted = evaluations_needed(view.gaussians, view.cameras[0], sampled=6)
    p = project(view.gaussians, view.cameras[0])
    ys, xs = torch.meshgrid(torch.arange(32) + 0.5, torch.arange(48) + 0.5, indexing="ij")
    offset = torch.stack([xs, ys], -1)[:, :, None] - p.centre
    alpha = (p.opacity * torch.exp(-0.5 * torch.einsum("hwgi,gij,hwgj->hwg", offset, p.conic, offset))).clamp(max=0.999)
    alpha = torch.where(alpha >= 1 / 255, alpha, 0)
    ahead = torch.cumprod(torch.cat([torch.ones(32, 48, 1), 1 - alpha], dim=-1), dim=-1)[..., :-1]
    assert counted == pytest.approx(float(((alpha > 0) & (ahead >= 1e-4)).sum()), rel=1e-3)


def test_the_torch_rasteriser_is_slower_on_the_same_input() -> None:
    for row in beside_torch(made_up("trained", 500, 64, 48), CPU):
        assert row.ratio is not None
        assert row.ratio > 2


def test_the_torch_rasterisers_draw_what_ours_draws() -> None:
    view = made_up("trained", 300, 80, 72)  # more than a tile of 64 either way
    camera = view.cameras[0]
    ours = splat(pack(view.gaussians), camera, sh_degree=0).rgb
    p = project(view.gaussians, camera)
    tight = rasterize(p, tiles_of(p, 80, 72), 80, 72)
    assert torch.allclose(tight, ours, atol=1e-5)
    assert torch.allclose(as_published(view.gaussians, camera), ours, atol=1e-5)


def test_gsplat_would_be_called_with_arguments_it_has() -> None:
    gsplat = pytest.importorskip("gsplat")
    view = made_up("trained", 10, 32, 16)
    options = call_options(view, CPU, packed=True)
    leaves = dict.fromkeys(("means", "quats", "scales", "opacities", "colors"))
    inspect.signature(gsplat.rasterization).bind(**leaves, **options)
    inspect.signature(gsplat.SelectiveAdam).bind([], eps=1e-15, betas=(0.9, 0.999))
    assert options["Ks"][0].tolist() == [[28.8, 0, 16], [0, 28.8, 8], [0, 0, 1]] or math.isclose(
        float(options["Ks"][0, 0, 0]), 0.9 * 32, rel_tol=1e-6
    )


def test_both_entries_take_the_same_options() -> None:
    parser: ArgumentParser = _parser()
    known = {action.dest for action in parser._actions} - {"help", "json"}
    assert known == {field.name for field in fields(BenchOptions)}


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    table = tmp_path / "bench.md"
    options = ["--gaussians", "500", "--size", "64x48", "--only", "loss", "--device", "cpu"]
    assert main(["bench", "--json", "--quiet", "--markdown", str(table), *options]) == 0
    said = json.loads(capsys.readouterr().out)
    assert {row["stage"].partition(":")[0] for row in said["stages"]} == {"forward", "loss"}
    assert "| trained 500 64x48 | loss |" in table.read_text()


def test_the_passes_of_a_stage_take_no_longer_than_the_stage() -> None:
    step = GaussianStep(made_up("trained", 20_000, 200, 150), CPU)
    started = time.perf_counter()
    for _ in range(5):
        step.forward()
    whole = 1e3 * (time.perf_counter() - started)
    assert set(step.parts["forward"]) == {"projection", "sort", "binning", "blending"}
    passes = sum(sum(times) for times in step.parts["forward"].values())
    assert 0.5 * whole < passes < whole


def test_naming_an_input_leaves_out_the_rest() -> None:
    report = run_bench(BenchOptions(device="cpu", gaussians=(100,), size=("32x16",)))
    assert {row.input for row in report.stages} == {"trained 100 32x16"}
    assert report.checks == ()


def test_a_frozen_run_is_seen_by_its_own_cameras(room: Room, tmp_path: Path) -> None:
    """Its .ply is in the input's frame, its cameras are in the world's: the picture must be that of the model."""
    scene = replace(room.scene(), input_from_world=torch.diag(torch.tensor([2.0, 2.0, 2.0, 1.0])))
    lens = Lens("PINHOLE", 64, 48, (51.2, 51.2, 32.0, 24.0))
    views = tuple(View(name, tmp_path / name, lens, np.eye(4)) for name in scene.names)
    write_scene(tmp_path / "run" / "scene", Reconstruction(views, scene.points), scene)
    g = room.gaussians()
    moved = replace(g, means=2 * g.means, log_scales=g.log_scales + math.log(2))
    write_ply(moved, tmp_path / "run" / "exports" / "splat.ply")
    view = frozen(tmp_path / "run")
    assert len(view.cameras) == 6
    assert torch.allclose(view.gaussians.means, g.means, atol=1e-6)
    report = run_bench(BenchOptions(device="cpu", model=(tmp_path / "run",), only=("render",)))
    assert [row.stage for row in report.stages] == ["render"]
    write_ply(g, tmp_path / "alone.ply")
    with pytest.raises(InputError, match="in no run"):
        frozen(tmp_path / "alone.ply")


def test_a_posed_scene_is_trained_and_scored(room: Room) -> None:
    row = train_for(room.scene(), CPU, name="room", steps=20, config=GaussianConfig(max_gaussians=2500))
    assert row.steps == 20
    assert row.psnr is not None
    assert row.psnr > 10


def test_an_impossible_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "--size", "big"]) == 2
    assert "--size big" in capsys.readouterr().err
    with pytest.raises(InputError):
        BenchOptions(gaussians=(-1,))


def test_tables_say_what_is_not_available() -> None:
    missing = RatioRow("gsplat", "step", "trained", None, note="not available: no GPU")
    report = BenchReport({"processor": "X", "device": "cpu"}, None, (), (), (missing,))
    assert "| gsplat | trained | step | not available: no GPU |" in to_markdown(report)


def test_no_gaussians_have_no_gradient_rather_than_a_crash() -> None:
    """Backward of an empty view used to end the process."""
    view = awkward("none", 0, 32, 16)
    blocks = pack(view.gaussians).requires_grad_()
    splat(blocks, view.cameras[0], sh_degree=3).rgb.sum().backward()
    assert blocks.grad is not None
    assert blocks.grad.numel() == 0


def _raise() -> None:
    raise RuntimeError("a bug")
