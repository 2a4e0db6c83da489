// Samples' positions on CUDA, a warp a ray: its lanes take the ray's samples side by side.
#include "math/place.h"
#include "ops/radiance_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128, kRays = kThreads / kWarp;

struct Line {
  float o[3], d[3];

  RECON_DEVICE Line(const PlaceArgs& a, int64_t ray) {
    for (int i = 0; i < 3; ++i) {
      o[i] = (a.origins[3 * ray + i] - a.center[i]) / a.radius;
      d[i] = a.directions[3 * ray + i] / a.radius;
    }
  }
  RECON_DEVICE Vec3<float> at(float t) const { return {d[0] * t + o[0], d[1] * t + o[1], d[2] * t + o[2]}; }
};

__global__ __launch_bounds__(kThreads) void place(PlaceArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kRays + warp();
  if (ray >= a.ray_count) return;
  const Line line(a, ray);
  const float widening = a.sigmas == nullptr ? 0.0f : a.cone_radius[ray] / a.radius;
  for (int64_t at = a.offsets[ray] + lane(); at < a.offsets[ray + 1]; at += kWarp) {
    const float mid = 0.5f * (a.t0[at] + a.t1[at]);
    const InCube<float> in = in_cube(line.at(mid), a.contract);
    a.positions[at] = in.position.x, a.positions[a.n + at] = in.position.y, a.positions[2 * a.n + at] = in.position.z;
    if (a.sigmas != nullptr) a.sigmas[at] = mid * in.shrink * widening;
  }
}

__global__ __launch_bounds__(kThreads) void place_back(PlaceArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kRays + warp();
  if (ray >= a.ray_count) return;
  const Line line(a, ray);
  float sums[6] = {};
  for (int64_t at = a.offsets[ray] + lane(); at < a.offsets[ray + 1]; at += kWarp) {
    const float mid = 0.5f * (a.t0[at] + a.t1[at]);
    const Vec3<float> given = {a.position_grads[at], a.position_grads[a.n + at], a.position_grads[2 * a.n + at]};
    const Vec3<float> g = in_cube_vjp(line.at(mid), a.contract, given);
    sums[0] += g.x, sums[1] += g.y, sums[2] += g.z;
    sums[3] += mid * g.x, sums[4] += mid * g.y, sums[5] += mid * g.z;
  }
#pragma unroll
  for (int i = 0; i < 6; ++i) sums[i] = warp_sum(kFullWarp, sums[i]) / a.radius;
  if (lane() != 0) return;
#pragma unroll
  for (int i = 0; i < 3; ++i) a.origin_grads[3 * ray + i] = sums[i], a.direction_grads[3 * ray + i] = sums[3 + i];
}

}  // namespace

void cuda_place_samples(const PlaceArgs& args) {
  launch(place, dim3(blocks_for(args.ray_count, kRays)), dim3(kThreads), 0, stream_of(args.stream), args);
}

void cuda_place_backward(const PlaceArgs& args) {
  launch(place_back, dim3(blocks_for(args.ray_count, kRays)), dim3(kThreads), 0, stream_of(args.stream), args);
}

}  // namespace recon
