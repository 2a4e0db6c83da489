// Farthest points and balls on CUDA: a block for a cloud, a warp for a ball. Distances are rounded as on the CPU.
#include "ops/point_sets_cuda.h"

#include "math/number.h"
#include "simt.h"

namespace recon {
namespace {

using namespace simt;
using RECON_ISA::fused;
using RECON_ISA::rounded_product;

constexpr int kThreads = 512;  // of a cloud
constexpr int kWarps = kThreads / kWarp;
constexpr int kBallThreads = 128;

struct Place {
  float x, y, z;
};

RECON_DEVICE Place place_of(const float* points, int64_t n, int64_t i) { return {points[i], points[n + i], points[2 * n + i]}; }

RECON_DEVICE float squared_distance(Place a, Place b) {
  const float dx = a.x - b.x, dy = a.y - b.y, dz = a.z - b.z;
  return fused(dz, dz, fused(dy, dy, rounded_product(dx, dx)));
}

// Orders points by distance, and equally far ones by index: the first is the largest, or the smallest.
RECON_DEVICE uint64_t far_key(float distance, int64_t i) {
  return uint64_t(__float_as_uint(distance)) << 32 | (0xffffffffu - uint32_t(i));
}
RECON_DEVICE int64_t index_of(uint64_t key) { return int64_t(0xffffffffu - uint32_t(key)); }

// The greatest value of a block, in every thread; a block_sync must come between two uses of the same part.
template <class T, class Scratch>
RECON_DEVICE T block_greatest(T value, Scratch& scratch, int part) {
  value = warp_max(kFullWarp, value);
  if (lane() == 0) scratch[part * kWarp + warp()] = value;
  block_sync();
  return warp_max(kFullWarp, T(scratch[part * kWarp + (lane() < kWarps ? lane() : 0)]));
}

__global__ __launch_bounds__(kThreads) void spread(FarthestArgs a) {
  SHARED_ARRAY(uint64_t, keys, 2 * kWarp);
  SHARED_ARRAY(float, ends, 6 * kWarp);
  const float* const points = a.points + 3 * a.n * int64_t(blockIdx.x);
  float* const distances = a.distances + a.n * int64_t(blockIdx.x);
  int64_t* const chosen = a.chosen + a.count * int64_t(blockIdx.x);

  float middle[3];
  for (int axis = 0; axis < 3; ++axis) {
    const float* const values = points + axis * a.n;
    float low = values[0], high = values[0];
    for (int64_t i = threadIdx.x; i < a.n; i += kThreads)
      low = RECON_ISA::min_of(low, values[i]), high = RECON_ISA::max_of(high, values[i]);
    low = -block_greatest(-low, ends, 2 * axis), high = block_greatest(high, ends, 2 * axis + 1);
    middle[axis] = 0.5f * (low + high);
  }

  Place from = {middle[0], middle[1], middle[2]};
  for (int64_t step = 0; step < a.count; ++step) {
    uint64_t farthest = 0;
    for (int64_t i = threadIdx.x; i < a.n; i += kThreads) {
      float distance = squared_distance(place_of(points, a.n, i), from);
      if (step > 1) distance = RECON_ISA::min_of(distances[i], distance);  // that to the middle does not count
      distances[i] = distance;
      const uint64_t key = far_key(distance, i);
      farthest = key > farthest ? key : farthest;
    }
    const int64_t next = index_of(block_greatest(farthest, keys, int(step % 2)));
    if (threadIdx.x == 0) chosen[step] = next;
    from = place_of(points, a.n, next);
  }
}

__global__ __launch_bounds__(kBallThreads) void balls(BallArgs a) {
  const int64_t ball = int64_t(blockIdx.x) * (kBallThreads / kWarp) + warp();
  if (ball >= a.sets * a.center_count) return;  // a whole warp
  const float* const points = a.points + 3 * a.n * (ball / a.center_count);
  int64_t* const neighbours = a.neighbours + a.count * ball;
  const Place center = {a.centers[3 * ball], a.centers[3 * ball + 1], a.centers[3 * ball + 2]};
  const float reach = rounded_product(a.radius, a.radius);

  int64_t found = 0, first = 0;
  uint64_t nearest = ~uint64_t(0);
  for (int64_t at = 0; at < a.n && found < a.count; at += kWarp) {
    const int64_t i = at + lane();
    const float distance = i < a.n ? squared_distance(place_of(points, a.n, i), center) : reach + 1.0f;
    if (i < a.n) {
      const uint64_t key = uint64_t(__float_as_uint(distance)) << 32 | uint32_t(i);
      nearest = key < nearest ? key : nearest;
    }
    const bool inside = i < a.n && distance <= reach;
    const unsigned lanes = ballot(kFullWarp, inside);
    if (found == 0 && lanes != 0) first = at + __ffs(int(lanes)) - 1;
    const int64_t place = found + __popc(lanes & ((1u << lane()) - 1));
    if (inside && place < a.count) neighbours[place] = i;
    found += __popc(lanes);
  }
  nearest = warp_min(kFullWarp, nearest);
  if (found == 0) first = int64_t(uint32_t(nearest));
  for (int64_t i = found + lane(); i < a.count; i += kWarp) neighbours[i] = first;
}

}  // namespace

void cuda_farthest_points(const FarthestArgs& args, uintptr_t stream) {
  launch(spread, dim3(unsigned(args.sets)), dim3(kThreads), 0, stream_of(stream), args);
}

void cuda_ball_query(const BallArgs& args, uintptr_t stream) {
  const unsigned blocks = blocks_for(args.sets * args.center_count, kBallThreads / kWarp);
  launch(balls, dim3(blocks), dim3(kBallThreads), 0, stream_of(stream), args);
}

}  // namespace recon
