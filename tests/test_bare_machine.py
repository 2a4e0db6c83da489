"""The core runs with torch, numpy and jaxtyping alone: operators, models, training, evaluation, benchmark."""

from __future__ import annotations

import json
from typing import Any

import pytest
from bare import run_bare

TRAIN = """
import json, torch
from room import make_room
from recon.evaluation import evaluate
from recon.models import GaussianConfig, build_model
from recon.training import TrainConfig, TrainState, train
scene = make_room().scene()
model = build_model(GaussianConfig(max_gaussians=3000), scene, steps=60)
before = evaluate(model, scene, scene.test).psnr
state = TrainState.start(model, scene)
for report in train(state, scene, TrainConfig(steps=60)):
    pass
print(json.dumps({'before': before, 'after': evaluate(model, scene, scene.test).psnr, 'step': state.step}))
"""

BENCH = """
import runpy
sys.argv[0] = 'recon.bench'
runpy.run_module('recon.bench', run_name='__main__')
"""


@pytest.fixture(scope="module")
def quick() -> dict[str, Any]:
    """What `recon bench --quick` says on such a machine."""
    done = run_bare(BENCH, "--quick", "--json", "--device", "cpu")
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_other_packages_are_out_of_reach() -> None:
    packages = ("PIL", "scipy", "tyro", "rich", "safetensors", "pycolmap", "beartype", "gsplat")
    probe = "import importlib.util\nprint([importlib.util.find_spec(name) for name in sys.argv[1:]])"
    assert run_bare(probe, *packages).stdout.strip() == str([None] * len(packages))


def test_a_scene_is_trained_and_measured() -> None:
    done = run_bare(TRAIN)
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert said["step"] == 60
    assert said["after"] > said["before"] + 1


def test_every_operator_is_right_here(quick: dict[str, Any]) -> None:
    measured = [check for check in quick["checks"] if check["error"] is not None]
    assert [check for check in quick["checks"] if not check["passed"]] == []
    assert {check["operator"] for check in measured} >= {
        *("splat", "backward and Adam", "loss", "Adam", "noise", "relocation", "Morton order", "hash encoding"),
        *("network", "radiance field", "marching", "placing", "compositing", "distortion", "sparse Adam"),
    }


def test_every_stage_is_timed_by_thirty_runs(quick: dict[str, Any]) -> None:
    names = {row["stage"] for row in quick["stages"]}
    assert {"forward", "loss", "backward and Adam", "step", "hash encoding, backward", "marching"} <= names
    for row in quick["stages"]:
        timing = row["timing"]
        assert timing["runs"] == 30, row["stage"]
        assert 0 < timing["p10"] <= timing["median"] <= timing["p90"], row["stage"]


def test_shares_are_of_ceilings_measured_in_the_same_run(quick: dict[str, Any]) -> None:
    assert quick["ceilings"]["copy_gigabytes"] > 0.1
    assert quick["ceilings"]["fma_gigaflops"] > 1
    forward = next(row for row in quick["stages"] if row["stage"] == "forward")
    evaluations, milliseconds = forward["counts"]["evaluations"], forward["timing"]["median"]
    expected = 31 * evaluations / (1e6 * milliseconds) / quick["ceilings"]["fma_gigaflops"]
    assert forward["compute_share"] == pytest.approx(expected, rel=1e-6)
    assert 0 < forward["compute_share"] < 1


def test_without_a_gpu_gsplat_is_not_available_rather_than_a_number(quick: dict[str, Any]) -> None:
    assert [(row["ratio"], row["note"]) for row in quick["ratios"]] == [(None, "not available: no GPU")]
