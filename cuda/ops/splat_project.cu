// Stage 1 on CUDA: a thread a Gaussian. Blocks of 16 make half a warp read one 64-byte line a plane.
#include <stdexcept>

#include "cuda_device.h"
#include "math/sh.h"
#include "ops/view.h"

namespace recon {
namespace {

using namespace RECON_ISA;

__global__ void project(Splat s, CameraView view, float* records, bool* seen) {
  const int64_t gaussian = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (gaussian >= s.block_count * kBlock) return;
  const float* planes = s.blocks + gaussian / kBlock * s.planes * kBlock + gaussian % kBlock;
  const auto plane = [planes](int i) { return planes[i * kBlock]; };
  const Gaussian3D<float> g = {{plane(kMean), plane(kMean + 1), plane(kMean + 2)},
                               {plane(kLogScale), plane(kLogScale + 1), plane(kLogScale + 2)},
                               {plane(kQuat), plane(kQuat + 1), plane(kQuat + 2), plane(kQuat + 3)},
                               plane(kOpacity)};
  const Projection<float> k = project_axes(view, g);
  const Gaussian2D<float> out = project_gaussian(view, s.antialiased, g, k);
  seen[gaussian] = out.seen;

  Vec3<float> d = {g.mean.x - view.position.x, g.mean.y - view.position.y, g.mean.z - view.position.z};
  const float inverse = rsqrtf(fmaxf(dot(d, d), 1e-20f));
  float basis[16];
  sh_basis(s.sh_degree, Vec3<float>{d.x * inverse, d.y * inverse, d.z * inverse}, basis);
  float rgb[3] = {0.5f, 0.5f, 0.5f};
  const int coefficients = (s.sh_degree + 1) * (s.sh_degree + 1);
  for (int i = 0; i < coefficients; ++i)
    for (int channel = 0; channel < 3; ++channel) rgb[channel] += basis[i] * plane(kSh + 3 * i + channel);
  int clamped = 0;
  for (int channel = 0; channel < 3; ++channel) {
    clamped |= int(rgb[channel] < 0.0f) << channel;
    rgb[channel] = fmaxf(rgb[channel], 0.0f);
  }

  float4* record = reinterpret_cast<float4*>(records + gaussian * kRecord);
  record[0] = {out.x, out.y, out.a * (-0.5f * kLog2E), out.b * -kLog2E};
  record[1] = {out.c * (-0.5f * kLog2E), out.log2_opacity, rgb[0], rgb[1]};
  record[2] = {rgb[2], out.depth, out.radius_x, out.radius_y};
  record[3] = {__int_as_float(clamped), out.x_rest, out.y_rest, 0.0f};
}

}  // namespace

CudaInfo cuda_info() {
  int devices = 0;
  const cudaError_t error = cudaGetDeviceCount(&devices);
  if (error == cudaErrorInsufficientDriver) return {0, "no NVIDIA driver, or one too old for this build"};
  if (error != cudaSuccess) return {0, cudaGetErrorString(error)};
  return {devices, devices == 0 ? "no CUDA device" : ""};
}

void cuda_splat_project(const Splat& s, float* records, bool* seen, uintptr_t stream) {
  const int64_t gaussians = s.block_count * kBlock;
  if (gaussians == 0) return;
  constexpr int kThreads = 128;
  project<<<unsigned((gaussians + kThreads - 1) / kThreads), kThreads, 0, reinterpret_cast<cudaStream_t>(stream)>>>(
      s, RECON_ISA::view_of(s), records, seen);
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) throw std::runtime_error(cudaGetErrorString(error));
}

}  // namespace recon
