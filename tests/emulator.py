"""Runs the project's CUDA kernels without a GPU: g++ with sanitizers, threads as fibers (tests/simt)."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ctypes import CDLL
from dataclasses import dataclass
from functools import cache as functools_cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from sysconfig import get_paths
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

REPOSITORY = Path(__file__).resolve().parent.parent
SIMT = REPOSITORY / "tests" / "simt"
PLACES = ("-DRECON_SIMT_EMULATED", f"-I{REPOSITORY / 'cuda'}", f"-I{SIMT}")
SANITIZERS = "-fsanitize=address,undefined,float-cast-overflow"
FLAGS = (
    *("-std=c++17", "-O1", "-g", "-fPIC", "-fno-omit-frame-pointer", SANITIZERS, "-fno-sanitize-recover=all"),
    *("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Werror", *PLACES),
)
EMULATED = "RECON_EMULATED"
"""Names the emulated module in the environment of tests that are to use it."""
ORDERS = ("forward", "reverse", "shuffled")
"""Of threads and blocks. What a kernel writes must not depend on it."""

Array = NDArray[Any]


class KernelError(Exception):
    """What the emulator or a sanitizer said of a kernel."""


@dataclass(frozen=True)
class Emulator:
    """The program that holds all cases."""

    program: Path

    def run(self, case: str, order: str = "forward", **inputs: Array | float | int) -> dict[str, Array]:
        """The arrays that `case` wrote, by name, flat. Numbers and arrays go in by the names the case asks for."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            numbers = {key: value for key, value in inputs.items() if not isinstance(value, np.ndarray)}
            (folder / "numbers.txt").write_text("".join(f"{key} {value!r}\n" for key, value in numbers.items()))
            for key, value in inputs.items():
                if isinstance(value, np.ndarray):
                    np.ascontiguousarray(value).tofile(folder / f"{key}.in")
            command = [str(self.program), case, str(folder), order, "1"]
            done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment(), timeout=300)
            if done.returncode != 0:
                raise KernelError(done.stderr)
            return {path.name.split(".")[0]: np.fromfile(path, path.suffix[1:]) for path in folder.glob("*.out.*")}

    def run_in_every_order(self, case: str, **inputs: Array | float | int) -> dict[str, Array]:
        """As `run`, and the same bits whichever thread comes first."""
        first, *others = (self.run(case, order, **inputs) for order in ORDERS)
        for other in others:
            for name, array in first.items():
                np.testing.assert_array_equal(
                    array, other[name], err_msg=f"{case}: {name} depends on the threads' order"
                )
        return first


def missing() -> str:
    """Why kernels cannot be emulated here; empty where they can."""
    if shutil.which("g++") is None:
        return "no g++"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.cpp"
        source.write_text("int main() { return 0; }\n")
        command = ["g++", SANITIZERS, str(source), "-o", str(source.with_suffix(""))]
        if subprocess.run(command, capture_output=True, check=False).returncode != 0:
            return "this g++ has no sanitizers"
        if subprocess.run([str(source.with_suffix(""))], capture_output=True, check=False).returncode != 0:
            return "programs with sanitizers do not run here"
    return ""


def build(cache: Path) -> Emulator:
    """Compiles the kernels and their cases, those that are not in `cache` yet, into a program."""
    cases = [SIMT / "case.cpp", *sorted(SIMT.glob("cases/*.cpp"))]
    with _alone(cache):
        return Emulator(_link(cache, _compiled(cache, [*_kernels(), *cases]), ending="", flags=()))


def build_module(cache: Path) -> Path:
    """The kernels behind the bindings that the GPU's have, as a Python module for arrays on the CPU.

    It runs under `sanitized_environment()` alone.
    """
    nanobind = Path(_output([sys.executable, "-m", "nanobind", "--include_dir"])).parent
    headers = (nanobind / "include", nanobind / "ext" / "robin_map" / "include", Path(get_paths()["include"]))
    found = (*(f"-isystem{folder}" for folder in headers), "-fvisibility=hidden", "-fno-strict-aliasing")
    bindings = [REPOSITORY / "cuda" / name for name in ("bindings_cuda.cpp", "bindings_radiance_cuda.cpp")]
    sources = [*bindings, nanobind / "src" / "nb_combined.cpp"]
    with _alone(cache):
        around = _compiled(cache, sources, flags=("-std=c++17", "-fPIC", *PLACES, *found))  # not what is tested
        return _link(cache, [*_compiled(cache, _kernels()), *around], ending=".so", flags=("-shared",))


def sanitized_environment() -> dict[str, str]:
    """What a program that is not built with sanitizers needs to load a module that is."""
    # AddressSanitizer comes before all others, and finds the exceptions that it watches in the library after it.
    libraries = [_output(["g++", f"-print-file-name={name}"]) for name in ("libasan.so", "libstdc++.so")]
    return _environment() | {"LD_PRELOAD": " ".join(libraries)}


@functools_cache
def emulated_kernels() -> ModuleType:
    """The module that `build_module` built and the environment names."""
    spec = spec_from_file_location("_emulated", os.environ[EMULATED])
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def set_order(order: str, seed: int = 1) -> None:
    """Which thread and which block comes first in the emulated module."""
    CDLL(os.environ[EMULATED]).recon_set_order(ORDERS.index(order), seed)


@contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Tests that run side by side compile nothing twice: the second to come finds what the first has made."""
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _kernels() -> list[Path]:
    return [*(SIMT / f"{name}.cpp" for name in ("block", "fiber", "shared")), *sorted(REPOSITORY.glob("cuda/ops/*.cu"))]


def _compiled(cache: Path, sources: list[Path], flags: tuple[str, ...] = FLAGS) -> list[Path]:
    """Objects of the sources. Nothing is compiled twice for the same contents, flags and compiler."""
    headers = sorted([*SIMT.glob("*.h"), *REPOSITORY.glob("cuda/**/*.h")])
    known = hashlib.sha256(repr((_output(["g++", "--version"]), flags)).encode())
    for header in headers:
        known.update(header.read_bytes())

    def compile_one(source: Path) -> Path:
        contents = known.copy()
        contents.update(source.read_bytes())
        result = cache / f"{source.stem}-{contents.hexdigest()[:16]}.o"
        if not result.exists():
            _written(result, ["g++", *flags, "-x", "c++", "-c", str(source)])
        result.touch()
        return result

    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        return list(pool.map(compile_one, sources))


def _link(cache: Path, objects: list[Path], *, ending: str, flags: tuple[str, ...]) -> Path:
    result = cache / f"simt-{hashlib.sha256(repr(objects).encode()).hexdigest()[:16]}{ending}"
    if not result.exists():
        _written(result, ["g++", SANITIZERS, *flags, *map(str, objects)])
    _forget_old(cache)
    return result


def _written(result: Path, command: list[str]) -> None:
    """Runs the compiler; the result appears only when it is whole."""
    unfinished = result.with_name(f"{result.name}.{os.getpid()}")
    done = subprocess.run([*command, "-o", str(unfinished)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KernelError(f"{' '.join(command)}\n{done.stderr}")
    unfinished.replace(result)


def _output(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _forget_old(cache: Path) -> None:
    """Removes what no build of the last days has used."""
    for path in cache.iterdir():
        if time.time() - path.stat().st_mtime > 3 * 86400:
            path.unlink()


def _environment() -> dict[str, str]:
    # Leaks are not looked for: the program ends with its case. Wide red zones catch an index that is far off.
    return os.environ | {
        "ASAN_OPTIONS": "detect_leaks=0:redzone=512:max_redzone=2048",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
