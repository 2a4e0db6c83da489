// The hash grid on CUDA, a thread a sample and level, level after level so that one level's table stays in the cache.
//
// Tables gather their gradient in whole numbers (math/fixed.h): atomics on those give the same bits in any order.
#include "math/fixed.h"
#include "ops/grid_level.h"
#include "ops/radiance_cuda.h"
#include "ops/shelf.h"

namespace recon {
namespace {

using namespace simt;
using namespace RECON_ISA;

constexpr int kThreads = 128;
using Units = unsigned long long;  // signed numbers as two's complement, which is what CUDA adds atomically

RECON_DEVICE Vec3<float> position_of(const HashArgs& a, int64_t sample) {
  return {a.positions[sample], a.positions[a.n + sample], a.positions[2 * a.n + sample]};
}

RECON_DEVICE float weight_of_level(const HashArgs& a, const GridLevel& level, int64_t sample) {
  return a.sigmas == nullptr ? 1.0f : level_weight(a.sigmas[sample], level.resolution);
}

// The vertices around a sample at a level.
struct Corners {
  GridLevel grid;
  GridCell<float, uint32_t> cell;
  uint32_t entries[8];
  const float2* table;

  RECON_DEVICE Corners(const HashArgs& a, int level, int64_t sample) : grid(grid_level(a.levels, level)) {
    cell = cell_of<float, uint32_t>(position_of(a, sample), grid.resolution);
    entries_of(cell, grid, entries);
    table = reinterpret_cast<const float2*>(a.tables) + a.levels.offset[level];
  }
};

__global__ __launch_bounds__(kThreads) void encode(HashArgs a) {
  const int64_t sample = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (sample >= a.n) return;
  const int level = int(blockIdx.y);
  const Corners corners(a, level, sample);
  float weights[8];
  trilinear(corners.cell.beyond, weights);
  float2 sum = {0, 0};
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float2 pair = __ldg(corners.table + corners.entries[i]);
    sum.x += weights[i] * pair.x, sum.y += weights[i] * pair.y;
  }
  const float scale = weight_of_level(a, corners.grid, sample);
  float* const to = a.features + 2 * level * a.stride + sample;
  to[0] = scale * sum.x, to[a.stride] = scale * sum.y;
}

// The gradient of a sample's features at a level, before they were weakened.
RECON_DEVICE float2 gradient_of(const HashArgs& a, const GridLevel& grid, int level, int64_t sample) {
  const float* const from = a.grads + 2 * level * a.stride + sample;
  const float scale = weight_of_level(a, grid, sample);
  return {scale * from[0], scale * from[a.stride]};
}
RECON_DEVICE bool is_finite(float a) { return fabsf(a) <= 3.4e38f; }

// The largest gradient of a level, as bits; of numbers that are some.
__global__ __launch_bounds__(kThreads) void find_largest(HashArgs a, unsigned* largest) {
  const int64_t sample = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  const int level = int(blockIdx.y);
  float most = 0;
  if (sample < a.n) {
    const float2 g = gradient_of(a, grid_level(a.levels, level), level, sample);
    if (is_finite(g.x) && is_finite(g.y)) most = max_of(fabsf(g.x), fabsf(g.y));
  }
  most = warp_max(kFullWarp, most);
  if (lane() == 0 && most > 0) atomic_max(largest[level], __float_as_uint(most));
}

__global__ __launch_bounds__(kThreads) void scatter(HashArgs a, const unsigned* largest, Units* sums) {
  const int64_t sample = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (sample >= a.n) return;
  const int level = int(blockIdx.y);
  const float2 g = gradient_of(a, grid_level(a.levels, level), level, sample);
  if (g.x == 0 && g.y == 0) return;  // behind a surface
  const Corners corners(a, level, sample);
  float weights[8];
  trilinear(corners.cell.beyond, weights);
  const int64_t first = a.levels.offset[level];
  if (!is_finite(g.x) || !is_finite(g.y)) {  // what is no number must show, and is the same in any order
    for (int i = 0; i < 8; ++i) {
      float* const to = a.table_grad + 2 * (first + corners.entries[i]);
      atomic_add(to[0], weights[i] * g.x);
      atomic_add(to[1], weights[i] * g.y);
    }
    return;
  }
  const float scale = power_of_two(fixed_exponent(largest[level]));
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    Units* const to = sums + 2 * (first + corners.entries[i]);
    atomic_add(to[0], Units(fixed_of(weights[i] * g.x, scale)));
    atomic_add(to[1], Units(fixed_of(weights[i] * g.y, scale)));
  }
}

__global__ __launch_bounds__(kThreads) void add_sums(HashArgs a, const unsigned* largest, const Units* sums) {
  const int level = int(blockIdx.y);
  const int64_t at = 2 * a.levels.offset[level] + int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (at >= 2 * a.levels.offset[level + 1]) return;
  const int64_t sum = int64_t(sums[at]);
  if (sum != 0) a.table_grad[at] += float_of_fixed(sum, fixed_exponent(largest[level]));
}

__global__ __launch_bounds__(kThreads) void move_positions(HashArgs a) {
  const int64_t sample = int64_t(blockIdx.x) * kThreads + threadIdx.x;
  if (sample >= a.n) return;
  Vec3<float> sum = {0, 0, 0};
  for (int level = 0; level < a.levels.count; ++level) {
    const Corners corners(a, level, sample);
    const float2 g = gradient_of(a, corners.grid, level, sample);
    float grads[8];
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const float2 pair = __ldg(corners.table + corners.entries[i]);
      grads[i] = pair.x * g.x + pair.y * g.y;
    }
    const Vec3<float> moved = trilinear_vjp(corners.cell.beyond, grads);
    const float cells = corners.grid.resolution;
    sum = sum + Vec3<float>{cells * moved.x, cells * moved.y, cells * moved.z};
  }
  const Vec3<float> x = position_of(a, sample);
  const auto inside = [](float v, float moved) { return v >= 0 && v <= 1 ? moved : 0.0f; };
  a.position_grad[sample] = inside(x.x, sum.x);
  a.position_grad[a.n + sample] = inside(x.y, sum.y);
  a.position_grad[2 * a.n + sample] = inside(x.z, sum.z);
}

// What lies in the workspace.
struct Parts {
  Units* sums;        // [entries 2]
  unsigned* largest;  // [levels]
  size_t bytes;
};

Parts parts_of(const HashArgs& a, float* workspace) {
  Shelf shelf(workspace);
  Parts parts{};
  parts.sums = shelf.take<Units>(2 * a.levels.offset[a.levels.count]), parts.largest = shelf.take<unsigned>(kMaxLevels);
  parts.bytes = shelf.used();
  return parts;
}

void move_tables(const HashArgs& a) {
  const Parts parts = parts_of(a, a.workspace);
  const cudaStream_t stream = stream_of(a.stream);
  int64_t most = 0;
  for (int i = 0; i < a.levels.count; ++i) most = level_entries(a.levels, i) > most ? level_entries(a.levels, i) : most;
  set_bytes(parts.sums, 0, 2 * sizeof(Units) * size_t(a.levels.offset[a.levels.count]), stream);
  set_bytes(parts.largest, 0, sizeof(unsigned) * kMaxLevels, stream);
  const dim3 of_samples(blocks_for(a.n, kThreads), unsigned(a.levels.count));
  launch(find_largest, of_samples, dim3(kThreads), 0, stream, a, parts.largest);
  launch(scatter, of_samples, dim3(kThreads), 0, stream, a, parts.largest, parts.sums);
  launch(add_sums, dim3(blocks_for(2 * most, kThreads), unsigned(a.levels.count)), dim3(kThreads), 0, stream, a,
         parts.largest, parts.sums);
}

}  // namespace

int64_t cuda_hash_workspace(const HashArgs& args) {
  if (args.n > kMostFixedTerms) throw std::invalid_argument("a hash grid takes up to 67 million samples at a time");
  return int64_t((parts_of(args, nullptr).bytes + 3) / sizeof(float));
}

void cuda_hash_encode(const HashArgs& args) {
  const dim3 blocks(blocks_for(args.n, kThreads), unsigned(args.levels.count));
  launch(encode, blocks, dim3(kThreads), 0, stream_of(args.stream), args);
}

void cuda_hash_backward(const HashArgs& args) {
  if (args.table_grad != nullptr && args.n > 0) move_tables(args);
  if (args.position_grad != nullptr)
    launch(move_positions, dim3(blocks_for(args.n, kThreads)), dim3(kThreads), 0, stream_of(args.stream), args);
}

}  // namespace recon
