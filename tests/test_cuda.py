"""The CUDA part: it compiles wherever nvcc is, and says why there is no GPU. What it computes, other tests see to."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from recon.ops.native import native

SOURCES = Path(__file__).parent.parent / "cuda"

BACKWARD = """
using namespace recon::device;
__global__ void way_back(CameraView view, Gaussian3D<float> g, Gaussian2DGrad<float> d, CameraGrad<float>* pose,
                         Gaussian3D<float>* out) {
  const Projection<float> k = project_axes(view, g);
  *out = project_gaussian_vjp(view, true, g, k, d, *pose);
  float basis[16] = {};
  out->mean = out->mean + sh_basis_vjp(3, g.mean, basis);
}
"""

EXACT = """
#include "math/twofold.h"
using namespace recon::device;
__global__ void exact(float a, float b, float c, float* out) {
  const Twofold<float> sum = two_product(a, b) + Twofold<float>{c, 0.0f};
  out[0] = sum.high, out[1] = sum.low;
}
"""
REGISTERS = ("simd.h", "wide.h")
"""Math headers of a processor's registers; a thread of a GPU has numbers alone."""


def test_every_math_header_compiles_for_a_gpu(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    headers = sorted(path.name for path in (SOURCES / "math").glob("*.h") if path.name not in REGISTERS)
    source = tmp_path / "math.cu"
    source.write_text("".join(f'#include "math/{name}"\n' for name in headers) + BACKWARD)
    command = [nvcc, "-std=c++17", "-arch=sm_75", f"-I{SOURCES}", "-c", str(source), "-o", str(tmp_path / "math.o")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr


def test_a_machine_without_gpu_says_why() -> None:
    devices, reason = native().cuda_info()
    if devices > 0:
        pytest.skip("this machine has a GPU")
    assert reason != ""


def test_exact_products_stay_exact_on_a_gpu(tmp_path: Path) -> None:
    """nvcc fuses a product into the sum that follows; then the product's rounding error would be counted twice."""
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    source = tmp_path / "exact.cu"
    source.write_text(EXACT)
    command = [
        nvcc,
        "-std=c++17",
        "-arch=sm_75",
        f"-I{SOURCES}",
        "-ptx",
        str(source),
        "-o",
        str(tmp_path / "exact.ptx"),
    ]
    subprocess.run(command, check=True)
    code = (tmp_path / "exact.ptx").read_text()
    assert code.count("mul.rn.f32") == 1  # the product, rounded by itself
    assert code.count("fma.rn.f32") == 1  # its rounding error, and nothing else


@pytest.mark.slow
@pytest.mark.parametrize("kernel", sorted(path.name for path in SOURCES.glob("**/*.cu")))
def test_every_kernel_compiles_for_every_gpu_without_a_warning(kernel: str, tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    (source,) = SOURCES.glob(f"**/{kernel}")
    listed = re.search(r"CMAKE_CUDA_ARCHITECTURES ([\d a-z-]+)\)", (SOURCES / "CMakeLists.txt").read_text())
    assert listed is not None
    numbers = [word.removesuffix("-real") for word in listed[1].split()]
    assert {"75", "120"} <= set(numbers)
    targets = [f"-gencode=arch=compute_{number},code=sm_{number}" for number in numbers]
    flags = ["-std=c++17", "-O3", "--expt-relaxed-constexpr", "-Werror=all-warnings", f"-I{SOURCES}", *targets]
    done = subprocess.run(
        [nvcc, *flags, "-c", source, "-o", tmp_path / "a.o"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stderr
