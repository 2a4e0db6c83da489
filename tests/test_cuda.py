"""The CUDA part: it compiles wherever nvcc is, says why there is no GPU, and agrees with the CPU where there is one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
import torch
from test_splat import camera, gaussians

from recon.ops.blocks import pack
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


def test_every_math_header_compiles_for_a_gpu(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc")
    if nvcc is None:
        pytest.skip("no nvcc")
    headers = sorted(path.name for path in (SOURCES / "math").glob("*.h") if path.name != "simd.h")
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


@pytest.mark.gpu
def test_projection_on_the_gpu_agrees_with_the_cpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    view, blocks = camera(), pack(gaussians(1000)).cuda()
    records = torch.zeros(blocks.shape[0] * 16, 16, device="cuda")
    seen = torch.zeros(blocks.shape[0] * 16, dtype=torch.bool, device="cuda")
    focal, center = view.focal.tolist(), view.center.tolist()
    stream = torch.cuda.current_stream().cuda_stream
    native().cuda_splat_project(blocks, view.cam_from_world, *focal, *center, 61, 47, 3, False, records, seen, stream)
    homogeneous = torch.cat([gaussians(1000).means, torch.ones(1000, 1)], dim=1).double()
    in_camera = (homogeneous @ view.cam_from_world.double().T)[:, :3]
    pixels = in_camera[:, :2] / in_camera[:, 2:] * view.focal + view.center
    mine = (records[:1000, :2].double() + records[:1000, 13:15].double()).cpu()
    front = in_camera[:, 2] > 0.05
    assert float(((mine - pixels).norm(dim=1) / pixels.norm(dim=1))[front].max()) < 1e-6
    assert not bool(seen[:1000].cpu()[in_camera[:, 2] < 0.005].any())  # behind the camera
    assert bool(seen[:1000].any())
