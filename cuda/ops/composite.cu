// Compositing on CUDA, a warp a ray. Lanes take 32 samples side by side; what is left of the light before each is the
// product over the lanes below, and what earlier samples left. Going back, the same from the ray's end.
#include "math/emission.h"
#include "ops/radiance_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128, kRays = kThreads / kWarp;

// The product of the values of this lane and the lanes below it.
RECON_DEVICE float product_up_to(float value) {
#pragma unroll
  for (int lanes = 1; lanes < kWarp; lanes *= 2) {
    const float below = shuffle_up(kFullWarp, value, lanes);
    if (lane() >= lanes) value *= below;
  }
  return value;
}

// The light before each of the next 32 samples, their opacities, and how many of them any light reaches.
struct Stretch {
  float transmittance, opacity;
  int lit;

  // Takes the samples from `at` on; `left` is the light before the first, and then that behind the last.
  RECON_DEVICE Stretch(const CompositeArgs& a, int64_t at, int64_t end, float& left) {
    const bool there = at + lane() < end;
    opacity = there ? opacity_of(a.density[at + lane()] * (a.t1[at + lane()] - a.t0[at + lane()])) : 0.0f;
    const float behind = left * product_up_to(1 - opacity), before = shuffle_up(kFullWarp, behind, 1);
    transmittance = lane() == 0 ? left : before;
    const unsigned dark = ballot(kFullWarp, !there || transmittance < a.min_transmittance);
    lit = dark == 0 ? kWarp : __ffs(int(dark)) - 1;
    left = shuffle(kFullWarp, behind, kWarp - 1);
  }
  RECON_DEVICE bool reached() const { return lane() < lit; }
};

__global__ __launch_bounds__(kThreads) void composite(CompositeArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kRays + warp();
  if (ray >= a.ray_count) return;
  const int64_t end = a.offsets[ray + 1];
  float left = 1, sums[5] = {};
  bool dark = false;
  for (int64_t first = a.offsets[ray]; first < end; first += kWarp) {
    const int64_t at = first + lane();
    float weight = 0;
    if (!dark) {
      const Stretch s(a, first, end, left);
      weight = s.reached() ? s.transmittance * s.opacity : 0.0f;
      dark = s.lit < kWarp;
    }
    if (at >= end) continue;
    a.weights[at] = weight;
    if (weight == 0) continue;
    for (int i = 0; i < 3; ++i) sums[i] += weight * a.rgb[i * a.n + at];
    sums[3] += weight, sums[4] += weight * 0.5f * (a.t0[at] + a.t1[at]);
  }
#pragma unroll
  for (int i = 0; i < 5; ++i) sums[i] = warp_sum(kFullWarp, sums[i]);
  if (lane() != 0) return;
  for (int i = 0; i < 3; ++i) a.pixels[3 * ray + i] = sums[i];
  a.alpha[ray] = sums[3], a.depth[ray] = sums[4];
}

// With q the cotangent of a sample's weight: density moves its own weight, and takes light from all behind it.
__global__ __launch_bounds__(kThreads) void composite_back(CompositeArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kRays + warp();
  if (ray >= a.ray_count) return;
  const int64_t begin = a.offsets[ray], end = a.offsets[ray + 1];
  float left = 1;
  int64_t stop = begin;
  for (bool dark = false; stop < end && !dark;) {
    const Stretch s(a, stop, end, left);
    if (s.reached()) a.density_grads[stop + lane()] = s.transmittance * (1 - s.opacity);  // the light behind, for now
    dark = s.lit < kWarp;
    stop += s.lit;
  }
  for (int64_t at = stop + lane(); at < end; at += kWarp) {
    a.density_grads[at] = 0;
    for (int i = 0; i < 3; ++i) a.rgb_grads[i * a.n + at] = 0;
  }
  warp_sync();
  const float g[3] = {a.pixel_grads[3 * ray], a.pixel_grads[3 * ray + 1], a.pixel_grads[3 * ray + 2]};
  const float of_alpha = a.alpha_grads[ray], of_depth = a.depth_grads[ray];
  float behind = 0;  // weight times q of all samples behind
  for (int64_t last = stop - 1; last >= begin; last -= kWarp) {
    const int64_t at = last - lane();
    float weight = 0, q = 0;
    if (at >= begin) {
      weight = a.weights[at];
      const float mid = 0.5f * (a.t0[at] + a.t1[at]);
      q = g[0] * a.rgb[at] + g[1] * a.rgb[a.n + at] + g[2] * a.rgb[2 * a.n + at] + of_alpha + of_depth * mid + a.weight_grads[at];
    }
    const float through = behind + warp_inclusive_sum(kFullWarp, weight * q), before = shuffle_up(kFullWarp, through, 1);
    if (at >= begin) {
      const float farther = lane() == 0 ? behind : before;
      a.density_grads[at] = (a.t1[at] - a.t0[at]) * (a.density_grads[at] * q - farther);
      for (int i = 0; i < 3; ++i) a.rgb_grads[i * a.n + at] = weight * g[i];
    }
    behind = shuffle(kFullWarp, through, kWarp - 1);
  }
}

}  // namespace

void cuda_composite(const CompositeArgs& args) {
  launch(composite, dim3(blocks_for(args.ray_count, kRays)), dim3(kThreads), 0, stream_of(args.stream), args);
}

void cuda_composite_backward(const CompositeArgs& args) {
  launch(composite_back, dim3(blocks_for(args.ray_count, kRays)), dim3(kThreads), 0, stream_of(args.stream), args);
}

}  // namespace recon
