// How spread out a ray's samples are, on CUDA, a warp a ray, 32 samples at a time: sums over the samples before each, in
// double, as differences of large sums are what counts.
#include "ops/radiance_cuda.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;

constexpr int kThreads = 128, kRays = kThreads / kWarp;

// A sample's weight and weighted distance; zeros beyond the ray's end.
struct Mass {
  double weight = 0, mid = 0, width = 0;

  RECON_DEVICE Mass(const DistortionArgs& a, int64_t at, int64_t end) {
    if (at >= end) return;
    weight = double(a.weights[at]), mid = 0.5 * (double(a.t0[at]) + double(a.t1[at])), width = double(a.t1[at] - a.t0[at]);
  }
};

// Sums over the samples before this lane's; `weight` and `moment` those over all before the first, and then before the next.
struct Before {
  double weight, moment;

  RECON_DEVICE Before(const Mass& mass, double& all_weight, double& all_moment) {
    const double w = all_weight + warp_inclusive_sum(kFullWarp, mass.weight);
    const double m = all_moment + warp_inclusive_sum(kFullWarp, mass.weight * mass.mid);
    weight = w - mass.weight, moment = m - mass.weight * mass.mid;
    all_weight = shuffle(kFullWarp, w, kWarp - 1), all_moment = shuffle(kFullWarp, m, kWarp - 1);
  }
};

__global__ __launch_bounds__(kThreads) void distortion(DistortionArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kRays + warp();
  if (ray >= a.ray_count) return;
  double weight = 0, moment = 0, sum = 0;
  const int64_t end = a.offsets[ray + 1];
  for (int64_t first = a.offsets[ray]; first < end; first += kWarp) {
    const Mass mass(a, first + lane(), end);
    const Before before(mass, weight, moment);
    sum += 2 * mass.weight * (mass.mid * before.weight - before.moment) + mass.weight * mass.weight * mass.width / 3;
  }
  sum = warp_sum(kFullWarp, sum);
  if (lane() == 0) a.distortion[ray] = float(a.scale * sum);
}

__global__ __launch_bounds__(kThreads) void distortion_back(DistortionArgs a) {
  const int64_t ray = int64_t(blockIdx.x) * kRays + warp();
  if (ray >= a.ray_count) return;
  const int64_t begin = a.offsets[ray], end = a.offsets[ray + 1];
  double all_weight = 0, all_moment = 0;
  for (int64_t at = begin + lane(); at < end; at += kWarp) {
    const Mass mass(a, at, end);
    all_weight += mass.weight, all_moment += mass.weight * mass.mid;
  }
  all_weight = warp_sum(kFullWarp, all_weight), all_moment = warp_sum(kFullWarp, all_moment);
  const double g = double(a.grads[ray]) * double(a.scale);
  double weight = 0, moment = 0;
  for (int64_t first = begin; first < end; first += kWarp) {
    const int64_t at = first + lane();
    const Mass mass(a, at, end);
    const Before before(mass, weight, moment);
    if (at >= end) continue;
    const double behind_weight = all_weight - before.weight - mass.weight;
    const double behind_moment = all_moment - before.moment - mass.weight * mass.mid;
    const double pairs = mass.mid * before.weight - before.moment + behind_moment - mass.mid * behind_weight;
    a.weight_grads[at] = float(g * (2 * pairs + 2.0 / 3 * mass.weight * mass.width));
  }
}

}  // namespace

void cuda_distortion(const DistortionArgs& args) {
  launch(distortion, dim3(blocks_for(args.ray_count, kRays)), dim3(kThreads), 0, stream_of(args.stream), args);
}

void cuda_distortion_backward(const DistortionArgs& args) {
  launch(distortion_back, dim3(blocks_for(args.ray_count, kRays)), dim3(kThreads), 0, stream_of(args.stream), args);
}

}  // namespace recon
