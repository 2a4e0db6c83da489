"""What every test may ask for by name."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # beside others, threads that wait may not keep a core busy
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import torch
from emulator import EMULATED, Emulator, build, emulated_kernels, missing
from room import Room, make_room

from recon.datasets import data_root
from recon.errors import InputError
from recon.ops import device as kernel_choice
from recon.ops.native import native

_LONG = ("test_simt_operators.py", "test_simt.py", "test_thread_order.py")
"""Files of few tests that take minutes: first, so that no process has one left when the others have ended."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> torch.device:
    """Each device that operators run on."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    return torch.device(request.param)


@pytest.fixture
def gpu(device: torch.device) -> torch.device:
    """A device that the CUDA kernels serve: a GPU, or the CPU where they are emulated."""
    if kernel_choice.gpu_kernels(torch.zeros(1, device=device)) is None:
        pytest.skip("no GPU")
    return device


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


@pytest.fixture(scope="session")
def photos_with_poses(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the room's photos and their poses; not to be changed."""
    return room.write_posed_photos(tmp_path_factory.mktemp("photos") / "room")


@pytest.fixture(scope="session")
def trained_run(photos_with_poses: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a training of a second on them; not to be changed."""
    from command_line import SMALL, main  # here: a bare machine has no command line

    folder = tmp_path_factory.mktemp("runs") / "room"
    assert main(["train", "--images", str(photos_with_poses), "--output", str(folder), *SMALL]) == 0
    return folder


@pytest.fixture(params=["emulated"] if EMULATED in os.environ else ["baseline", "avx2", "avx512"])
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    """Each instruction set that the CPU kernels are built for and this machine has; or the CUDA kernels, emulated."""
    before = native().cpu_isa()
    if request.param != "emulated" and not native().select_cpu_isa(request.param):
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    native().select_cpu_isa(before)


@pytest.fixture(scope="session", autouse=True)
def _ctrl_c_is_heard() -> Iterator[None]:
    """Here and in the programs that tests start, even where a shell started pytest in the background, deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _cuda_kernels_on_the_cpu() -> Iterator[None]:
    """Where the environment names an emulated module, operators run it for tensors on the CPU."""
    if EMULATED in os.environ:
        kernel_choice._KERNELS["cpu"] = emulated_kernels()
    yield
    kernel_choice._KERNELS.clear()


@pytest.fixture
def set_threads() -> Iterator[Callable[[int], None]]:
    """Changes the number of threads for one test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def simt(request: pytest.FixtureRequest) -> Emulator:
    """The CUDA kernels as a program for this machine's processor, compiled where they changed."""
    reason = missing()
    if reason != "":
        pytest.skip(f"kernels cannot be emulated: {reason}")
    assert request.config.cache is not None
    return build(Path(request.config.cache.mkdir("simt")))
