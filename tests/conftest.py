"""What every test may ask for by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from room import Room, make_room

from recon.datasets import data_root
from recon.errors import InputError
from recon.ops.native import native


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that operators run on."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device(request.param)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real captures; tests that need it are skipped where there is none."""
    try:
        return data_root()
    except InputError as error:
        pytest.skip(error.message)


@pytest.fixture(scope="session")
def room() -> Room:
    """A cube in a tiled room, six views of 64 x 48: exact colour, depth, cameras and points."""
    return make_room()


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that the CPU kernels are built for and this machine has."""
    before = native().cpu_isa()
    if not native().select_cpu_isa(request.param):
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    native().select_cpu_isa(before)


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Changes the number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)
