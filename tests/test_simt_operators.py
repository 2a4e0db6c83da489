"""The operators' own tests, on the CUDA kernels, in a process with sanitizers and without a GPU."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from emulator import EMULATED, REPOSITORY, build_module, missing, sanitized_environment

TESTS = (
    *("splat.py", "lift.py", "photometric.py", "adam.py", "mcmc.py", "blocks.py", "gpu_frame.py", "moments.py"),
    *("thread_order.py", "place.py", "march.py", "hash_grid.py", "sparse_adam.py", "mlp.py", "radiance_field.py"),
    *("composite.py", "field_order.py", "point_sets.py", "patch_match.py", "step_graph.py"),
    "pretended_gpu.py::test_a_step_of_gaussians_waits_for_nothing",
    "pretended_gpu.py::test_gaussians_learn_there_whatever_is_asked_of_them",
    "surface.py::test_the_median_gaussian_is_that_of_brute_force",
)
LEFT_OUT = (
    *("gradcheck", "number_of_threads", "135-64", "70-100", "relocat", "one_copy", "torch_adam", "hundred"),
    *("1-True", "1-False", "2-True", "2-False", "3-False", "192-widths4", "500-widths4", "nerfacc", "out_of_order"),
)
"""Tests of references, larger images, bands between the fewest and the most: what takes longer than it adds. And of
what is refused on the CPU alone, as a GPU would be waited for: samples out of the order of their rays."""


def test_operators_pass_their_tests_on_emulated_cuda_kernels(request: pytest.FixtureRequest) -> None:
    if missing() != "":
        pytest.skip(f"kernels cannot be emulated: {missing()}")
    assert request.config.cache is not None
    module = build_module(Path(request.config.cache.mkdir("simt")))
    files = [str(REPOSITORY / "tests" / f"test_{name}") for name in TESTS]
    chosen = " and ".join(f"not {name}" for name in LEFT_OUT)
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-s", "-p", "no:cacheprovider", "-k", chosen, *files]
    environment = sanitized_environment() | {EMULATED: str(module), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stdout[-6000:]}\n{done.stderr[-3000:]}"
    assert "failed" not in done.stdout
