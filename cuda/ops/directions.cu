// Directions to spherical harmonics on CUDA, a thread a ray.
#include "math/sh.h"
#include "ops/radiance_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128;

__global__ __launch_bounds__(kThreads) void encode(DirectionArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (ray >= a.ray_count) return;
  const float* const d = a.directions + 3 * ray;
  float basis[16];
  sh_basis<float>(3, {d[0], d[1], d[2]}, basis);
#pragma unroll
  for (int i = 0; i < 16; ++i) a.basis[16 * ray + i] = basis[i];
}

__global__ __launch_bounds__(kThreads) void encode_back(DirectionArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (ray >= a.ray_count) return;
  const float* const at = a.directions + 3 * ray;
  const Vec3<float> d = {at[0], at[1], at[2]}, g = sh_basis_vjp<float>(3, d, a.grads + 16 * ray);
  const float outward = dot(g, d);
  float* const to = a.direction_grads + 3 * ray;
  to[0] = g.x - outward * d.x, to[1] = g.y - outward * d.y, to[2] = g.z - outward * d.z;
}

}  // namespace

void cuda_encode_directions(const DirectionArgs& args) {
  launch(encode, dim3(blocks_for(args.ray_count, kThreads)), dim3(kThreads), 0, stream_of(args.stream), args);
}

void cuda_encode_directions_backward(const DirectionArgs& args) {
  launch(encode_back, dim3(blocks_for(args.ray_count, kThreads)), dim3(kThreads), 0, stream_of(args.stream), args);
}

}  // namespace recon
